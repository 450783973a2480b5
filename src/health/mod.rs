//! Asks this host and its peers over HTTP whether the service works there, and puts the answers
//! before [`decide::gate`](crate::decide::gate). It never stops, starts or remembers anything.

use std::time::Duration;

use crate::decide::gate::{
    GateFacts, Judgement, LocalUrl, Peer, Standing, Stopping, decide, standing,
};
use crate::problem::Problem;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::http::{Http, Method, Request};
use crate::sys::names::Names;

mod own;
mod peers;
mod probe;
mod target;
#[cfg(test)]
mod tests;

pub use own::{Identity, Own, OwnBy};
pub use peers::Peers;
pub use probe::{Probe, Verdict, Why};
pub use target::Target;

/// So often must the own address fail in a row before the service counts as down.
const LOCAL_PROBES: usize = 3;
/// Between two probes of the own address.
const LOCAL_PAUSE: Duration = Duration::from_secs(1);

/// Asks addresses.
#[derive(Clone, Copy)]
pub struct Prober<'a> {
    /// Sends the requests: over TCP, straight to the host.
    pub http: &'a dyn Http,
    /// Looks names up.
    pub names: &'a dyn Names,
    /// Waits between two probes.
    pub clock: &'a dyn Clock,
    /// Set when we are asked to stop: no probe begins after that.
    pub cancel: &'a Cancel,
    /// Who this host is.
    pub identity: &'a Identity,
}

/// Whether the own address has ever answered 2xx, as remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// It has: its silence means something.
    Answered,
    /// Not that anybody knows.
    NeverAnswered,
}

/// What the gate is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `health.peers_required`.
    pub required: usize,
    /// `health.peer_urls`, this host perhaps among them.
    pub peers: &'a [Target],
    /// `health.local_url`.
    pub local: Option<&'a Target>,
    /// Whether `local` is known to have answered.
    pub history: History,
    /// The containers that would be stopped.
    pub stopping: &'a [Stopping],
    /// `health.timeout`: for one answer, from the look-up of the name to the head of the answer.
    pub timeout: Duration,
}

/// What the gate says, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Opinion {
    /// The decision.
    pub judgement: Judgement,
    /// What the own address said, if it was asked; [`LocalUrl::Answers`] is to be remembered.
    pub local: Option<LocalUrl>,
    /// What the peers said, if they were asked.
    pub peers: Option<Peers>,
}

impl Prober<'_> {
    /// Asks for as much as the decision takes: nothing if no peer is required, no address if no
    /// container works, no peer if the service is down here.
    ///
    /// # Errors
    /// We were asked to stop.
    pub fn ask(&self, question: &Question) -> Result<Opinion, Problem> {
        if question.required == 0 {
            let judgement = judge(question, Standing::Up, &[]);
            return Ok(Opinion { judgement, local: None, peers: None });
        }
        let mut local = None;
        let mut stands = standing(question.stopping, &LocalUrl::NotSet);
        if let (Standing::Up, Some(target)) = (&stands, question.local) {
            let said = self.local(target, question.history, question.timeout)?;
            stands = standing(question.stopping, &said);
            local = Some(said);
        }
        if matches!(stands, Standing::Down { .. }) {
            return Ok(Opinion { judgement: judge(question, stands, &[]), local, peers: None });
        }
        let peers = self.peers(question.peers, question.timeout)?;
        let said: Vec<Peer> = peers.probes.iter().map(Peer::from).collect();
        Ok(Opinion { judgement: judge(question, stands, &said), local, peers: Some(peers) })
    }

    /// Asks the own address: once, and if it has answered before, three times before it counts as
    /// failed.
    ///
    /// # Errors
    /// We were asked to stop.
    pub fn local(
        &self,
        target: &Target,
        history: History,
        timeout: Duration,
    ) -> Result<LocalUrl, Problem> {
        let mut failures = Vec::new();
        while failures.len() < LOCAL_PROBES {
            if !failures.is_empty() {
                self.clock.sleep(LOCAL_PAUSE);
            }
            self.go_on()?;
            match (self.probe(target, timeout).verdict, history) {
                (Verdict::Healthy(_), _) => return Ok(LocalUrl::Answers),
                (Verdict::Unhealthy(_), History::NeverAnswered) => {
                    return Ok(LocalUrl::NeverAnswered);
                }
                (Verdict::Unhealthy(why), History::Answered) => failures.push(why.to_string()),
            }
        }
        self.go_on()?;
        failures.dedup();
        let why = failures.join(", then ");
        Ok(LocalUrl::Fails(format!("{target} failed {LOCAL_PROBES} probes in a row: {why}")))
    }

    /// Asks one address once, whoever it is.
    #[must_use]
    pub fn probe(&self, target: &Target, timeout: Duration) -> Probe {
        let start = self.clock.monotonic();
        match self.names.addresses(target.host(), timeout) {
            Ok(_) => self.send(target, timeout, start),
            Err(cause) => self.seen(target, Verdict::Unhealthy(Why::Name(cause)), start),
        }
    }

    /// Sends the request with what is left of `timeout` since `start`.
    fn send(&self, target: &Target, timeout: Duration, start: Duration) -> Probe {
        let left = timeout.saturating_sub(self.clock.monotonic().saturating_sub(start));
        if left.is_zero() {
            return self.seen(target, Verdict::Unhealthy(Why::Timeout(timeout)), start);
        }
        // A connection kept from the last probe would say nothing about a new one.
        let mut request =
            Request::new(Method::Get, target.url(), left).header("Connection", "close");
        if let Some(authorization) = target.authorization() {
            request = request.header("Authorization", authorization);
        }
        let verdict = Verdict::of(self.http.head(&request), left, timeout);
        self.seen(target, verdict, start)
    }

    fn seen(&self, target: &Target, verdict: Verdict, start: Duration) -> Probe {
        let elapsed = self.clock.monotonic().saturating_sub(start);
        Probe { url: target.to_string(), verdict, elapsed }
    }

    fn go_on(&self) -> Result<(), Problem> {
        if self.cancel.is_set() { Err(Problem::interrupted()) } else { Ok(()) }
    }
}

fn judge(question: &Question, local: Standing, peers: &[Peer]) -> Judgement {
    decide(&GateFacts { required: question.required, peers: peers.to_vec(), local })
}
