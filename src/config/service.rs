//! One entry of `services`: validated types and their reading from the document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::policy::{self, EffectivePolicy, PerService};
use crate::config::read::Reader;
use crate::config::stack::{self, Mark, Subject};
use crate::config::value::glob::HostGlob;
use crate::config::value::name::{self, ServiceName};
use crate::config::value::url::HttpUrl;
use crate::config::value::window::{self, Window};
use crate::config::value::{Problem, path, plain};
use crate::decide::schedule::Schedule;

/// One service of this host.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its unique name.
    pub name: ServiceName,
    /// Its stacks in order; each is its compose files in order, relative to `repo.dir`.
    pub stacks: Vec<Vec<PathBuf>>,
    /// On which hosts it exists; empty is everywhere. Ask [`Service::runs_on`].
    pub hosts: Vec<HostGlob>,
    /// Compose profiles to enable.
    pub profiles: Vec<String>,
    /// When it is due.
    pub schedule: Schedule,
    /// The schedule as it was written.
    pub schedule_text: String,
    /// When changes may be made; empty is always.
    pub windows: Vec<Window>,
    /// What is done to its compose services, unless `per_service` says otherwise.
    pub policy: EffectivePolicy,
    /// What is done otherwise to single compose services.
    pub per_service: BTreeMap<String, PerService>,
    /// Secret file for interpolation, absolute.
    pub env_file: Option<PathBuf>,
    /// Compose project; compose's own choice if not said.
    pub compose_project_name: Option<String>,
    /// How long one answer about an image holds in the daemon.
    pub image_check_every: Duration,
    /// Whether containers of compose services that left the stack are removed.
    pub remove_orphans: bool,
    /// Who is asked before a running container stops.
    pub health: Health,
    /// The lock shared with other hosts.
    pub lease: Option<Lease>,
    /// When a change counts as good.
    pub verify: Verify,
    /// Run before anything stops; relative to `repo.dir`.
    pub pre_script: Option<PathBuf>,
    /// Run after a change; relative to `repo.dir`.
    pub clean_script: Option<PathBuf>,
    /// Whether superseded images are removed.
    pub prune_images: bool,
    /// Good releases kept.
    pub keep_releases: usize,
    /// Deadlines.
    pub timeouts: Timeouts,
}

/// Health endpoints of this host and its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// This host's own.
    pub local_url: Option<HttpUrl>,
    /// Those of all hosts; a host drops itself.
    pub peer_urls: Vec<HttpUrl>,
    /// Fewer healthy peers refuse a restart.
    pub peers_required: usize,
    /// Patience with one answer.
    pub timeout: Duration,
}

/// A FleetLock slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Base address of the server.
    pub url: HttpUrl,
    /// Group within which slots are counted.
    pub group: String,
    /// Holder; `<machine id>/<service>` if not said.
    pub id: Option<String>,
}

/// When a change counts as good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verify {
    /// How long it may take to become good.
    pub timeout: Duration,
    /// How long nothing may restart.
    pub soak: Duration,
    /// For how long restarts still count against it.
    pub probation: Duration,
}

/// Deadlines of single steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// One git command.
    pub git: Duration,
    /// A pull, from its last progress.
    pub pull: Duration,
    /// Compose up.
    pub up: Duration,
    /// A script.
    pub script: Duration,
}

impl Service {
    /// Whether the service exists on a host known by any of these names.
    #[must_use]
    pub fn runs_on(&self, hostnames: &[String]) -> bool {
        let named = |glob: &HostGlob| hostnames.iter().any(|name| glob.matches(name));
        self.hosts.is_empty() || self.hosts.iter().any(named)
    }

    /// What applies to one of its compose services.
    #[must_use]
    pub fn for_compose_service(&self, name: &str) -> EffectivePolicy {
        match self.per_service.get(name) {
            Some(over) => self.policy.overlaid(over),
            None => self.policy.clone(),
        }
    }
}

/// Reads one service. Nothing is returned if it has no usable name or schedule; why is in the sink.
pub fn read(
    reader: &mut Reader,
    index: usize,
    config_dir: &Path,
    marks: &mut Vec<Mark>,
) -> Option<Service> {
    let name = match reader.find("name") {
        Some(_) => reader.optional("name", ServiceName::parse),
        None => {
            reader.missing("name");
            None
        }
    };
    let stacks = stack::read(reader, index, marks);
    let policy = read_policy_only(reader, config_dir);
    let pre_script = script(reader, "pre_script", index, marks);
    let clean_script = script(reader, "clean_script", index, marks);
    for (key, subject) in [("health", Subject::Health), ("windows", Subject::Windows)] {
        if let Some(found) = reader.find(key) {
            let (path, offset) = (found.path, found.node.offset);
            marks.push(Mark { service: index, subject, path, offset });
        }
    }
    let mut service = Service { name: name?, stacks, pre_script, clean_script, ..policy? };
    if let Some(lease) = &mut service.lease
        && lease.group.is_empty()
    {
        lease.group = service.name.to_string();
    }
    Some(service)
}

/// Reads everything that `defaults` may hold too; name, stacks and scripts stay empty.
pub fn read_policy_only(reader: &mut Reader, config_dir: &Path) -> Option<Service> {
    let schedule = read_schedule(reader);
    let usable = schedule.is_some();
    // Whatever is wrong with the schedule, what is wrong with the rest is told as well.
    let schedule = schedule.or_else(|| Schedule::parse(reader.preset("schedule")).ok())?;
    let service = Service {
        name: ServiceName::default(),
        stacks: Vec::new(),
        hosts: hosts(reader),
        profiles: reader.set("profiles", name::profile).unwrap_or_default(),
        schedule_text: reader.text("schedule", |text| Ok(text.to_owned())),
        schedule,
        windows: reader.set("windows", window::parse).unwrap_or_default(),
        policy: policy::read(reader),
        per_service: policy::read_per_service(reader),
        env_file: reader.optional("env_file", |text| path::on_host(config_dir, text)),
        compose_project_name: reader.optional("compose_project_name", name::compose_project),
        image_check_every: reader.duration("image_check_every"),
        remove_orphans: reader.flag_or_preset("remove_orphans"),
        health: read_health(reader),
        lease: read_lease(reader),
        verify: Verify {
            timeout: reader.duration("verify.timeout"),
            soak: reader.duration("verify.soak"),
            probation: reader.duration("verify.probation"),
        },
        pre_script: None,
        clean_script: None,
        prune_images: reader.flag_or_preset("prune_images"),
        keep_releases: usize::try_from(reader.count_or_preset("keep_releases")).unwrap_or(1),
        timeouts: Timeouts {
            git: reader.duration("timeouts.git"),
            pull: reader.duration("timeouts.pull"),
            up: reader.duration("timeouts.up"),
            script: reader.duration("timeouts.script"),
        },
    };
    usable.then_some(service)
}

fn read_schedule(reader: &mut Reader) -> Option<Schedule> {
    let parsed = |text: &str| {
        Schedule::parse(text).map_err(|error| Problem {
            message: error.message,
            hint: error.hint,
            within: Some(error.offset),
        })
    };
    let Some(found) = reader.find("schedule") else {
        return parsed(reader.preset("schedule")).ok();
    };
    let schedule = reader.optional("schedule", parsed)?;
    for warning in schedule.warnings() {
        reader.sink.warning(found.node.offset, found.path.clone(), warning);
    }
    Some(schedule)
}

fn hosts(reader: &mut Reader) -> Vec<HostGlob> {
    let hosts = reader.set("hosts", HostGlob::parse);
    if let (Some([]), Some(found)) = (hosts.as_deref(), reader.find("hosts"))
        && found.node.items().is_empty()
    {
        let problem = Problem::new("names no host", "leave the key out for every host");
        reader.sink.error(found.node.offset, found.path, problem);
    }
    hosts.unwrap_or_default()
}

fn read_health(reader: &mut Reader) -> Health {
    let peer_urls = reader.set("health.peer_urls", HttpUrl::parse).unwrap_or_default();
    let preset = u64::from(!peer_urls.is_empty());
    let required = reader.count("health.peers_required").unwrap_or(preset);
    Health {
        local_url: reader.optional("health.local_url", HttpUrl::parse),
        peers_required: usize::try_from(required).unwrap_or(usize::MAX),
        timeout: reader.duration("health.timeout"),
        peer_urls,
    }
}

fn read_lease(reader: &mut Reader) -> Option<Lease> {
    let own_text = |text: &str| plain(text).map(str::to_owned);
    let url = reader.optional("lease.url", HttpUrl::parse);
    let group = reader.optional("lease.group", own_text).unwrap_or_default();
    let id = reader.optional("lease.id", own_text);
    if let (None, Some(lease)) = (reader.find("lease.url"), reader.find("lease")) {
        reader.sink.warning(lease.node.offset, lease.path, "has no effect without \"url\"");
    }
    Some(Lease { url: url?, group, id })
}

fn script(
    reader: &mut Reader,
    key: &str,
    service: usize,
    marks: &mut Vec<Mark>,
) -> Option<PathBuf> {
    let file = reader.optional(key, path::in_repository)?;
    let found = reader.find(key)?;
    let subject = Subject::Script(file.clone());
    marks.push(Mark { service, subject, path: found.path, offset: found.node.offset });
    Some(file)
}
