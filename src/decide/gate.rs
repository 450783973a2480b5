//! The peer-health gate: whether a running container may stop now. It weighs what others found out
//! and asks nobody itself.

use std::fmt;

/// A container that would be stopped, and whether it does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopping {
    /// Its name, for messages.
    pub name: String,
    /// Whether it works.
    pub works: Works,
}

/// Whether a container does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Works {
    /// It is running and, if it has a health check, healthy.
    Yes,
    /// It is not, and how it is instead, as in `exited` or `unhealthy`.
    No(String),
}

/// What this host's own health address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalUrl {
    /// There is none.
    NotSet,
    /// It does not answer well now, and never did so far: perhaps nobody serves it.
    NeverAnswered,
    /// It answered 2xx just now. To be remembered.
    Answers,
    /// It answered 2xx once, and now failed every probe; why.
    Fails(String),
}

/// How the service stands on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It works, as far as this host can tell.
    Up,
    /// It does not: stopping it takes nothing away.
    Down {
        /// What shows it.
        why: String,
    },
    /// Nothing shows that it is down, and its health address never answered.
    Unproven,
}

/// What one peer answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it was asked, fit to be shown.
    pub name: String,
    /// What came.
    pub answer: Answer,
}

/// What came from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A 2xx answer in time.
    Healthy,
    /// Anything else, in words.
    Unhealthy(String),
}

/// What the gate decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateFacts {
    /// `health.peers_required`; 0 is no gate.
    pub required: usize,
    /// Every peer that was asked; this host is not among them.
    pub peers: Vec<Peer>,
    /// How the service stands here.
    pub local: Standing,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// Enough peers are healthy, or none has to be.
    Open,
    /// Nobody's health matters: the service is down here.
    Bypassed {
        /// What shows that it is down.
        why: String,
    },
    /// No running container may be stopped now.
    Refused {
        /// Healthy peers.
        healthy: usize,
        /// Healthy peers that it takes.
        required: usize,
        /// Who is not healthy and why, and what else stands against it.
        detail: String,
    },
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Judgement::Open => write!(f, "enough peers are healthy"),
            Judgement::Bypassed { why } => write!(f, "the service is down here: {why}"),
            Judgement::Refused { healthy, required, detail } => {
                write!(f, "{healthy} of {required} required peers healthy: {detail}")
            }
        }
    }
}

/// Decides whether a running container may be stopped.
///
/// A service that is down here passes always: a restart cannot make it worse, and an outage of the
/// whole fleet would otherwise never end.
pub fn decide(facts: &GateFacts) -> Judgement {
    if facts.required == 0 {
        return Judgement::Open;
    }
    if let Standing::Down { why } = &facts.local {
        return Judgement::Bypassed { why: why.clone() };
    }
    let healthy = facts.peers.iter().filter(|peer| peer.answer == Answer::Healthy).count();
    if healthy >= facts.required {
        return Judgement::Open;
    }
    Judgement::Refused { healthy, required: facts.required, detail: detail(facts) }
}

fn detail(facts: &GateFacts) -> String {
    let mut parts: Vec<String> = facts
        .peers
        .iter()
        .filter_map(|peer| match &peer.answer {
            Answer::Healthy => None,
            Answer::Unhealthy(why) => Some(format!("{}: {why}", peer.name)),
        })
        .collect();
    if facts.peers.is_empty() {
        parts.push("no peer but this host is listed".to_owned());
    } else if facts.peers.len() < facts.required {
        parts.push(format!("only {} can ever be, the rest is this host", facts.peers.len()));
    }
    match facts.local {
        Standing::Unproven => parts.push(
            "local_url never answered 2xx, so it does not show that the service is down".to_owned(),
        ),
        Standing::Up | Standing::Down { .. } => {}
    }
    parts.join("; ")
}

/// How the service stands here, from the containers that would be stopped and its health address.
///
/// Either is enough to show that it is down: none of those containers works, or the address, which
/// answered before, does not. No container at all shows nothing.
#[must_use]
pub fn standing(stopping: &[Stopping], url: &LocalUrl) -> Standing {
    if let Some(why) = none_works(stopping) {
        return Standing::Down { why };
    }
    match url {
        LocalUrl::Fails(why) => Standing::Down { why: why.clone() },
        LocalUrl::NeverAnswered => Standing::Unproven,
        LocalUrl::NotSet | LocalUrl::Answers => Standing::Up,
    }
}

/// What shows that not one of the containers works, if so.
fn none_works(stopping: &[Stopping]) -> Option<String> {
    let mut states = Vec::new();
    for container in stopping {
        match &container.works {
            Works::Yes => return None,
            Works::No(state) => states.push(format!("{} is {state}", container.name)),
        }
    }
    if states.is_empty() { None } else { Some(states.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{
        Answer, GateFacts, Judgement, LocalUrl, Peer, Standing, Stopping, Works, decide, standing,
    };

    /// `+` is a healthy peer, `-` one that is not.
    fn judge(required: usize, peers: &str, local: Standing) -> String {
        let peer = |sign| match sign {
            '+' => Answer::Healthy,
            _ => Answer::Unhealthy("status 503".into()),
        };
        let peers = peers.chars().enumerate();
        let peers = peers.map(|(n, sign)| Peer { name: format!("n{n}"), answer: peer(sign) });
        match decide(&GateFacts { required, peers: peers.collect(), local }) {
            Judgement::Open => "open".into(),
            Judgement::Bypassed { why } => format!("bypassed {why}"),
            Judgement::Refused { healthy, required, detail } => {
                format!("refused {healthy}/{required} {detail}")
            }
        }
    }

    #[test]
    fn decisions() {
        let down = || Standing::Down { why: "gone".into() };
        let bad = |n: usize| format!("n{n}: status 503");
        let nobody = "no peer but this host is listed";
        let unproven = "local_url never answered 2xx, so it does not show that the service is down";
        for (required, peers, local, expected) in [
            (1, "+", Standing::Up, "open".to_owned()),
            (1, "-+", Standing::Up, "open".into()),
            (2, "++-", Standing::Up, "open".into()),
            (2, "++", Standing::Unproven, "open".into()),
            (1, "-", Standing::Up, format!("refused 0/1 {}", bad(0))),
            (2, "+-", Standing::Up, format!("refused 1/2 {}", bad(1))),
            (2, "--", Standing::Up, format!("refused 0/2 {}; {}", bad(0), bad(1))),
            (1, "-", Standing::Unproven, format!("refused 0/1 {}; {unproven}", bad(0))),
            (1, "", Standing::Up, format!("refused 0/1 {nobody}")),
            (3, "+", Standing::Up, "refused 1/3 only 1 can ever be, the rest is this host".into()),
            (1, "-", down(), "bypassed gone".into()),
            (1, "+", down(), "bypassed gone".into()),
            (1, "", down(), "bypassed gone".into()),
            (0, "", Standing::Up, "open".into()),
            (0, "--", Standing::Unproven, "open".into()),
            (0, "-", down(), "open".into()),
        ] {
            let case = format!("{required} of {peers:?}, {local:?}");
            assert_eq!(judge(required, peers, local), expected, "{case}");
        }
    }

    /// Containers by their state; `up` is one that works.
    fn stand(states: &str, url: LocalUrl) -> Standing {
        let works = |state: &str| match state {
            "up" => Works::Yes,
            other => Works::No(other.into()),
        };
        let states = states.split_whitespace().enumerate();
        let containers = states.map(|(n, s)| Stopping { name: format!("c{n}"), works: works(s) });
        standing(&containers.collect::<Vec<_>>(), &url)
    }

    #[test]
    fn standings() {
        let down = |why: &str| Standing::Down { why: why.into() };
        let fails = || LocalUrl::Fails("3 probes in vain".into());
        for (states, url, expected) in [
            ("up", LocalUrl::NotSet, Standing::Up),
            ("up", LocalUrl::Answers, Standing::Up),
            ("up", LocalUrl::NeverAnswered, Standing::Unproven),
            ("up", fails(), down("3 probes in vain")),
            ("up exited", LocalUrl::NotSet, Standing::Up),
            ("exited", LocalUrl::NotSet, down("c0 is exited")),
            ("exited unhealthy", LocalUrl::NotSet, down("c0 is exited, c1 is unhealthy")),
            ("exited", LocalUrl::Answers, down("c0 is exited")),
            ("starting", LocalUrl::NeverAnswered, down("c0 is starting")),
            ("exited", fails(), down("c0 is exited")),
            ("", LocalUrl::NotSet, Standing::Up),
            ("", LocalUrl::NeverAnswered, Standing::Unproven),
            ("", fails(), down("3 probes in vain")),
        ] {
            let case = format!("{states:?}, {url:?}");
            assert_eq!(stand(states, url), expected, "{case}");
        }
    }
}
