//! The quorum gate of a run: asked once, immediately before the first running container would stop.
//! What it refuses stays in the plan as refused; starting what is down never asks it.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::Path;

use super::Host;
use super::observe::Sight;
use super::report::Gate;
use crate::config::Service;
use crate::decide::gate::{Judgement, LocalUrl, Stopping, Works};
use crate::decide::plan::{Action, Reason, Step};
use crate::docker::engine::{Container, HealthStatus, State};
use crate::health::{History, Identity, Prober, Question, Target};
use crate::problem::Problem;
use crate::sys::http::{Client, SYSTEM_ROOTS, Via};
use crate::sys::names::BoundedNames;

/// The gate of one run.
pub struct QuorumGate<'a> {
    host: &'a Host<'a>,
    service: &'a Service,
    answered: RefCell<Option<String>>,
    judgement: OnceCell<Judgement>,
    said: Cell<Gate>,
}

impl<'a> QuorumGate<'a> {
    /// A gate that was not asked. `answered` is the own address that is known to have answered.
    #[must_use]
    pub fn new(host: &'a Host<'a>, service: &'a Service, answered: Option<String>) -> Self {
        let (answered, judgement) = (RefCell::new(answered), OnceCell::new());
        QuorumGate { host, service, answered, judgement, said: Cell::new(Gate::Unasked) }
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
        let stops = |action: &Action| {
            let running = sight.containers.iter().any(|c| is_of(c, action) && runs(c));
            matches!(action.step, Step::Recreate | Step::Remove) && running
        };
        if !actions.iter().any(stops) {
            return Ok(());
        }
        if self.judgement.get().is_none() {
            let stopping = self.stopping(actions, sight)?;
            let judgement = self.ask(&stopping)?;
            log::debug!("{}: gate: {judgement}", self.service.name.as_str());
            let _ = self.judgement.set(judgement);
        }
        let refused = match self.judgement.get() {
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

    /// The containers that would be stopped, and whether each does its work.
    fn stopping(&self, actions: &[Action], sight: &Sight) -> Result<Vec<Stopping>, Problem> {
        let touched = |container: &&Container| {
            let stops = |a: &Action| {
                let listed = a.containers.contains(&container.id.0);
                a.step == Step::Recreate || a.step == Step::Remove && listed
            };
            actions.iter().any(|action| is_of(container, action) && stops(action))
        };
        let engine = self.host.engine()?;
        let mut stopping = Vec::new();
        for container in sight.containers.iter().filter(touched) {
            let health = match container.state {
                State::Running => engine.inspect(&container.id)?.and_then(|seen| seen.health),
                _ => None,
            };
            let works = match (&container.state, health.map(|health| health.status)) {
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
        let http =
            Client::tcp_with_roots(Path::new(SYSTEM_ROOTS), Via::Direct).map_err(|error| {
                Problem::engine("health_tls", format!("cannot set up https: {error}"), "")
            })?;
        let names = BoundedNames::system();
        let identity = Identity::read();
        let prober = Prober {
            http: &http,
            names: &names,
            clock: self.host.clock,
            cancel: &self.host.cancel,
            identity: &identity,
        };
        let peers: Vec<Target> =
            health.peer_urls.iter().map(|url| Target::new(url.as_str())).collect();
        let local = health.local_url.as_ref().map(|url| Target::new(url.as_str()));
        let history = match self.answered() {
            Some(_) => History::Answered,
            None => History::NeverAnswered,
        };
        let opinion = prober.ask(&Question {
            required: health.peers_required,
            peers: &peers,
            local: local.as_ref(),
            history,
            stopping,
            timeout: health.timeout,
        })?;
        if opinion.local == Some(LocalUrl::Answers) {
            let url = health.local_url.as_ref().map(|url| url.as_str().to_owned());
            *self.answered.borrow_mut() = url;
        }
        Ok(opinion.judgement)
    }
}

fn is_of(container: &Container, action: &Action) -> bool {
    container.project == action.project && container.compose_service == action.compose_service
}

/// Whether stopping it takes something away that is there now.
fn runs(container: &Container) -> bool {
    matches!(container.state, State::Running | State::Restarting | State::Paused)
}
