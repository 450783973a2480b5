//! The judgement on one compose service. Drift comes before absence, so that a stopped container of
//! an old image is replaced, not started.

use super::types::{
    Action, ContainerFact, ContainerState, Definition, DesiredService, DesiredStack, ImageFact,
    ImagePair, Lifetime, Observed, Reason, Registry, ServiceMemory, Step,
};

/// What is to be done, why, and whether the image has to be fetched first.
struct Verdict {
    step: Step,
    reason: Reason,
    pull: bool,
    detail: String,
    containers: Vec<String>,
}

impl Verdict {
    fn new(step: Step, reason: Reason, detail: impl Into<String>) -> Verdict {
        Verdict { step, reason, pull: false, detail: detail.into(), containers: Vec::new() }
    }

    fn pulling(mut self, pull: bool) -> Verdict {
        self.pull = pull;
        self
    }

    fn on(mut self, containers: Vec<String>) -> Verdict {
        self.containers = containers;
        self
    }
}

/// Decides about one compose service.
pub fn judge(
    stack: &DesiredStack,
    name: &str,
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    observed: &Observed,
) -> Action {
    let mine = |c: &&ContainerFact| c.project == stack.project && c.compose_service == name;
    let all: Vec<&ContainerFact> = observed.containers.iter().filter(mine).collect();
    let there: Vec<&ContainerFact> =
        all.into_iter().filter(|c| c.state != ContainerState::Absent).collect();
    let image = observed.images.get(&service.image).cloned().unwrap_or_default();
    let verdict = if there.is_empty() {
        absent(service, &image)
    } else {
        frozen(&there)
            .or_else(|| drift(service, past, &there, &image))
            .or_else(|| standing(service, &there))
            .or_else(|| number(service, past, &there))
            .unwrap_or_else(|| calm(service, past, &image, &there))
    };
    Action {
        project: stack.project.clone(),
        compose_service: name.to_owned(),
        step: verdict.step,
        pull: verdict.pull,
        reason: verdict.reason,
        detail: verdict.detail,
        image: ImagePair {
            running: there.first().map(|c| c.image_id.clone()),
            declared: Some(service.image.clone()),
        },
        containers: verdict.containers,
    }
}

/// No container at all.
fn absent(service: &DesiredService, image: &ImageFact) -> Verdict {
    if service.replicas == 0 {
        return Verdict::new(Step::Nothing, Reason::Settled, "scaled to 0");
    }
    if image.local_id.is_none() && service.build {
        return needs_build(service);
    }
    // A local image starts now; a newer one in the registry is the next run's drift, so that a slow
    // pull never delays a service that is down.
    Verdict::new(Step::Start, Reason::Missing, "no container").pulling(image.local_id.is_none())
}

fn needs_build(service: &DesiredService) -> Verdict {
    let detail = format!(
        "{} is not on this host and renew never builds: run `docker compose build`",
        service.image
    );
    Verdict::new(Step::Nothing, Reason::NeedsBuild, detail)
}

/// Whether what runs is not what is declared: first of image, definition, mounted files.
fn drift(
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    there: &[&ContainerFact],
    image: &ImageFact,
) -> Option<Verdict> {
    if service.policy.on_image
        && let Some(verdict) = image_drift(service, there, image)
    {
        return Some(verdict);
    }
    let past = past?;
    let already = there.iter().all(|c| c.definition == Definition::Declared);
    if service.policy.on_config && !already {
        if past.definition != service.definition {
            let detail = match past.difference.as_str() {
                "" => "the definition changed".to_owned(),
                keys => format!("changed: {keys}"),
            };
            return Some(recreate(Reason::Config, detail, image));
        }
        if there.iter().any(|c| c.definition == Definition::Foreign) {
            let detail = "recreated outside renew with another definition";
            return Some(recreate(Reason::Config, detail.to_owned(), image));
        }
    }
    if service.policy.on_files && past.files != service.files {
        return Some(recreate(Reason::Files, changed_files(service, past), image));
    }
    None
}

fn recreate(reason: Reason, detail: String, image: &ImageFact) -> Verdict {
    Verdict::new(Step::Recreate, reason, detail).pulling(image.local_id.is_none())
}

fn image_drift(
    service: &DesiredService,
    there: &[&ContainerFact],
    image: &ImageFact,
) -> Option<Verdict> {
    match (&image.local_id, &image.registry) {
        (None, _) if service.build => None,
        (None, _) => {
            let detail =
                format!("another image than {} runs, which is not here yet", service.image);
            Some(Verdict::new(Step::Recreate, Reason::Image, detail).pulling(true))
        }
        (Some(_), Registry::Newer) => {
            let detail = format!("the registry has another image for {}", service.image);
            Some(Verdict::new(Step::Recreate, Reason::Image, detail).pulling(true))
        }
        (Some(id), _) => {
            let stale = there.iter().filter(|c| c.image_id != *id).count();
            let detail = match there.len() {
                1 => format!("{} is another image than the one that runs", service.image),
                n => format!("{stale} of {n} containers do not run {}", service.image),
            };
            (stale > 0).then(|| Verdict::new(Step::Recreate, Reason::Image, detail))
        }
    }
}

fn changed_files(service: &DesiredService, past: &ServiceMemory) -> String {
    let mut paths: Vec<&str> = service
        .files
        .iter()
        .filter(|(path, oid)| past.files.get(*path) != Some(oid))
        .map(|(path, _)| path.as_str())
        .chain(past.files.keys().filter(|p| !service.files.contains_key(*p)).map(String::as_str))
        .collect();
    paths.sort_unstable();
    format!("changed: {}", paths.join(", "))
}

/// Whether a person froze a container: then nobody else touches it.
fn frozen(there: &[&ContainerFact]) -> Option<Verdict> {
    let detail = "paused by `docker pause`; `docker unpause` lets it go on";
    let paused = there.iter().any(|c| c.state == ContainerState::Paused);
    paused.then(|| Verdict::new(Step::Nothing, Reason::Held, detail))
}

/// Whether a container stands still that should run.
fn standing(service: &DesiredService, there: &[&ContainerFact]) -> Option<Verdict> {
    let mut stopped = Vec::new();
    let mut codes = Vec::new();
    for container in there {
        match container.state {
            ContainerState::Exited(0) if service.lifetime == Lifetime::OneShot => {}
            ContainerState::Exited(code) | ContainerState::Stopped(code) => {
                stopped.push(container.id.clone());
                codes.push(code.to_string());
            }
            ContainerState::Running | ContainerState::Paused | ContainerState::Absent => {}
        }
    }
    if !stopped.is_empty() {
        let detail = format!("exited with code {}", codes.join(", "));
        return Some(Verdict::new(Step::Start, Reason::Stopped, detail).on(stopped));
    }
    None
}

/// Whether there are too few containers, or more than since git scaled the service down.
fn number(
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    there: &[&ContainerFact],
) -> Option<Verdict> {
    let wanted = service.replicas as usize;
    if there.len() < wanted {
        let detail = format!("{} of {wanted} containers", there.len());
        return Some(Verdict::new(Step::Start, Reason::Missing, detail));
    }
    let declared_before = past.map_or(service.replicas, |past| past.replicas);
    if there.len() > wanted && declared_before > service.replicas {
        let excess = there[wanted..].iter().map(|c| c.id.clone()).collect();
        let detail = format!("scaled from {declared_before} to {wanted}");
        return Some(Verdict::new(Step::Remove, Reason::Config, detail).on(excess));
    }
    None
}

/// Nothing to do: the most telling reason.
fn calm(
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    image: &ImageFact,
    there: &[&ContainerFact],
) -> Verdict {
    let ended = |c: &&ContainerFact| matches!(c.state, ContainerState::Exited(0));
    if past.is_none() {
        return Verdict::new(Step::Nothing, Reason::Adopted, "first seen; taken over as it runs");
    }
    if service.lifetime == Lifetime::OneShot && there.iter().all(ended) {
        return Verdict::new(Step::Nothing, Reason::Completed, "exited with code 0");
    }
    if image.local_id.is_none() && service.build {
        return needs_build(service);
    }
    if let Registry::Unknown(why) = &image.registry {
        let detail = format!("cannot ask for {}: {why}", service.image);
        return Verdict::new(Step::Nothing, Reason::Unknown, detail);
    }
    let by_hand = there.len() > service.replicas as usize;
    let detail = if by_hand {
        format!("{} containers, {} declared: scaled by hand", there.len(), service.replicas)
    } else {
        String::new()
    };
    Verdict::new(Step::Nothing, Reason::Settled, detail)
}
