//! The quorum gate of a run: asked once, immediately before the first running container would stop.
//! What it refuses stays in the plan as refused; starting what is down never asks it.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use super::Host;
use super::observe::Sight;
use super::report::Gate;
use super::todo::restarts;
use crate::config::Service;
use crate::decide::gate::{Judgement, LocalUrl, Stopping, Works};
use crate::decide::plan::{Action, Join, Joined, Reason, Shared, Step};
use crate::docker::engine::{Container, HealthStatus, State};
use crate::health::{History, Identity, Prober, Question, Target};
use crate::problem::Problem;
use crate::sys::http::{Client, SYSTEM_ROOTS, Via};
use crate::sys::names::BoundedNames;

/// Between two questions to the own address after a change.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What the own address said after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnUrl {
    /// It answers.
    Answers,
    /// There is none, or it never answered: nothing follows from its silence.
    Unknown,
    /// It answered before and does not any more, in words.
    Silent(String),
}

/// The gate of one run.
pub struct QuorumGate<'a> {
    host: &'a Host<'a>,
    service: &'a Service,
    answered: RefCell<Option<String>>,
    judgement: RefCell<Option<Judgement>>,
    own_url_silent: Cell<bool>,
    said: Cell<Gate>,
}

impl<'a> QuorumGate<'a> {
    /// A gate that was not asked. `answered` is the own address that is known to have answered.
    #[must_use]
    pub fn new(host: &'a Host<'a>, service: &'a Service, answered: Option<String>) -> Self {
        let (answered, judgement) = (RefCell::new(answered), RefCell::new(None));
        let (own_url_silent, said) = (Cell::new(false), Cell::new(Gate::Unasked));
        QuorumGate { host, service, answered, judgement, own_url_silent, said }
    }

    /// What it said in the end.
    #[must_use]
    pub fn said(&self) -> Gate {
        self.said.get()
    }

    /// The own address that is known to have answered, if it is still the one configured.
    #[must_use]
    pub fn answered(&self) -> Option<String> {
        let url = self.service.health.local_url.as_ref().map(|url| url.as_str().to_owned());
        self.answered.borrow().clone().filter(|known| Some(known) == url.as_ref())
    }

    /// Turns what would stop a running container into a refusal, if the gate does not let it pass.
    ///
    /// # Errors
    /// When we are asked to stop, the engine does not answer, or TLS cannot be set up.
    pub fn pass(&self, actions: &mut [Action], sight: &Sight) -> Result<(), Problem> {
        if self.service.health.peers_required == 0 {
            return Ok(());
        }
        let stops = |action: &Action| stops(action, sight);
        if !actions.iter().any(stops) {
            return Ok(());
        }
        if self.judgement.borrow().is_none() {
            let stopping = self.stopping(actions, sight)?;
            let judgement = self.ask(&stopping)?;
            log::debug!("{}: gate: {judgement}", self.service.name.as_str());
            self.judgement.replace(Some(judgement));
        }
        let refused = match &*self.judgement.borrow() {
            Some(Judgement::Open) => {
                self.said.set(Gate::Open);
                return Ok(());
            }
            Some(Judgement::Bypassed { .. }) => {
                self.said.set(Gate::Bypassed);
                return Ok(());
            }
            Some(refused @ Judgement::Refused { .. }) => refused.to_string(),
            None => return Ok(()),
        };
        self.said.set(Gate::Refused);
        for action in actions.iter_mut().filter(|action| stops(action)) {
            let wanted = format!("wanted: {} ({})", action.step.name(), action.reason.name());
            action.detail = format!("quorum: {refused}; {wanted}");
            action.step = Step::Nothing;
            action.reason = Reason::Refused;
            action.pull = false;
        }
        Ok(())
    }

    /// Asks again the next time something would stop. A refusal stands: its pull was left out.
    pub fn forget_consent(&self) {
        let mut judgement = self.judgement.borrow_mut();
        if !matches!(*judgement, Some(Judgement::Refused { .. })) {
            *judgement = None;
        }
    }

    /// The containers that would be stopped, and whether each does its work.
    fn stopping(&self, actions: &[Action], sight: &Sight) -> Result<Vec<Stopping>, Problem> {
        let touched = |container: &&Container| {
            actions.iter().any(|action| is_of(container, action) && touches(action, container))
        };
        let engine = self.host.engine()?;
        let mut stopping = Vec::new();
        for container in sight.containers.iter().filter(touched) {
            let health = match container.state {
                State::Running => engine.inspect(&container.id)?.and_then(|seen| seen.health),
                _ => None,
            };
            let works = match (&container.state, health.map(|health| health.status)) {
                (State::Running, _) if is_cut_off(container, sight) => {
                    Works::No("cut off from its network".to_owned())
                }
                (State::Running, None | Some(HealthStatus::Healthy)) => Works::Yes,
                (State::Running, Some(HealthStatus::Starting)) => Works::No("starting".to_owned()),
                (State::Running, Some(_)) => Works::No("unhealthy".to_owned()),
                (state, _) => Works::No(format!("{state:?}").to_lowercase()),
            };
            stopping.push(Stopping { name: container.name.clone(), works });
        }
        Ok(stopping)
    }

    fn ask(&self, stopping: &[Stopping]) -> Result<Judgement, Problem> {
        let health = &self.service.health;
        let peers: Vec<Target> =
            health.peer_urls.iter().map(|url| Target::new(url.as_str())).collect();
        let local = health.local_url.as_ref().map(|url| Target::new(url.as_str()));
        let history = match self.answered() {
            Some(_) => History::Answered,
            None => History::NeverAnswered,
        };
        let opinion = self.with_prober(|prober| {
            prober.ask(&Question {
                required: health.peers_required,
                peers: &peers,
                local: local.as_ref(),
                history,
                stopping,
                timeout: health.timeout,
            })
        })?;
        if opinion.local == Some(LocalUrl::Answers) {
            self.has_answered();
        }
        Ok(opinion.judgement)
    }

    /// Asks the own address before a change, where the gate did not: what is silent already says nothing
    /// about the change by staying so.
    ///
    /// # Errors
    /// When we are asked to stop, or TLS cannot be set up.
    pub fn listen_before(&self) -> Result<(), Problem> {
        let health = &self.service.health;
        let Some(url) = health.local_url.as_ref().filter(|_| self.answered().is_some()) else {
            return Ok(());
        };
        if self.said.get() == Gate::Unasked {
            let target = Target::new(url.as_str());
            let said = self
                .with_prober(|prober| prober.local(&target, History::Answered, health.timeout))?;
            self.own_url_silent.set(said != LocalUrl::Answers);
        }
        Ok(())
    }

    /// Asks the own address after a change: until it answers if it did before, else once.
    ///
    /// # Errors
    /// When we are asked to stop, or TLS cannot be set up.
    pub fn own_url(&self, patience: Duration) -> Result<OwnUrl, Problem> {
        let health = &self.service.health;
        let Some(url) = &health.local_url else { return Ok(OwnUrl::Unknown) };
        let target = Target::new(url.as_str());
        // What was silent before the change says nothing about it by staying so.
        let silent = self.own_url_silent.get() || self.said.get() == Gate::Bypassed;
        let known = self.answered().is_some() && !silent;
        let end = self.host.clock.monotonic() + patience;
        self.with_prober(|prober| {
            loop {
                let said = prober.local(&target, History::NeverAnswered, health.timeout)?;
                if said == LocalUrl::Answers {
                    self.has_answered();
                    return Ok(OwnUrl::Answers);
                }
                if !known {
                    return Ok(OwnUrl::Unknown);
                }
                if self.host.clock.monotonic() >= end {
                    let waited_s = patience.as_secs();
                    let message = format!(
                        "{target} answered before the change and not within {waited_s} s after it"
                    );
                    return Ok(OwnUrl::Silent(message));
                }
                self.host.clock.sleep(ASK_EVERY);
            }
        })
    }

    fn has_answered(&self) {
        let url = self.service.health.local_url.as_ref().map(|url| url.as_str().to_owned());
        *self.answered.borrow_mut() = url;
    }

    fn with_prober<T>(
        &self,
        ask: impl FnOnce(&Prober<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let http =
            Client::tcp_with_roots(Path::new(SYSTEM_ROOTS), Via::Direct).map_err(|error| {
                Problem::engine(
                    "health_tls",
                    format!("cannot set up https: {error}"),
                    "check /etc/ssl/certs/ca-certificates.crt",
                )
            })?;
        let names = BoundedNames::system();
        let identity = Identity::read();
        ask(&Prober {
            http: &http,
            names: &names,
            clock: self.host.clock,
            cancel: &self.host.cancel,
            identity: &identity,
        })
    }
}

/// Whether an action would stop a container that runs, and is not cut off already.
#[must_use]
pub fn stops(action: &Action, sight: &Sight) -> bool {
    let mut running = sight.containers.iter().filter(|c| is_of(c, action) && runs(c));
    running.any(|c| touches(action, c) && !is_cut_off(c, sight))
}

fn is_of(container: &Container, action: &Action) -> bool {
    container.project == action.project && container.compose_service == action.compose_service
}

/// Whether carrying an action out stops this container of its compose service.
fn touches(action: &Action, container: &Container) -> bool {
    match action.step {
        Step::Recreate => true,
        Step::Remove => action.containers.contains(&container.id.0),
        Step::Start => restarts(action) && action.containers.contains(&container.id.0),
        Step::Signal | Step::Nothing => false,
    }
}

/// Whether it lost the network that it shares: it runs and reaches nobody.
fn is_cut_off(container: &Container, sight: &Sight) -> bool {
    let lost = |join: &Join| join.shared == Shared::Network && join.state != Joined::Holds;
    let mut same = sight.observed.containers.iter().filter(|fact| fact.id == container.id.0);
    same.any(|fact| fact.joins.iter().any(lost))
}

/// Whether stopping it takes something away that is there now.
fn runs(container: &Container) -> bool {
    matches!(container.state, State::Running | State::Restarting | State::Paused)
}
