//! Ports of this host that a container wants and somebody else has. What the containers have that it
//! replaces is free by then.

use serde_json::Value;

use super::{Candidate, Precheck, plain, who};
use crate::decide::plan::Step;
use crate::decide::waves::reachable;
use crate::docker::engine::Container;
use crate::problem::Problem;
use crate::sys;
use crate::sys::ports::{Holder, Port, Protocol};

/// Compose takes one port out of such a range for each container; more are not looked at.
const RANGE_MAX: usize = 64;

impl Precheck<'_> {
    /// The first port that cannot be had.
    pub(super) fn port(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        for choice in wanted(candidate.declared) {
            let mut first = None;
            for port in &choice {
                match self.in_the_way(candidate, port)? {
                    None => {
                        first = None;
                        break;
                    }
                    Some(who) => first = first.or(Some((port, who))),
                }
            }
            if let Some((port, who)) = first {
                return Ok(Some(taken(candidate.name(), port, &who)));
            }
        }
        Ok(None)
    }

    /// Who has a port and keeps it.
    fn in_the_way(
        &self,
        candidate: &Candidate<'_>,
        port: &Port,
    ) -> Result<Option<String>, Problem> {
        let mut gives_way = false;
        for other in self.running()? {
            if !other.ports.iter().any(|published| published.overlaps(port)) {
                continue;
            }
            if !self.leaves(candidate, other, port) {
                return Ok(Some(format!("{} has", whose(other))));
            }
            gives_way = true;
        }
        // The engine listens for the container that gives it up.
        if gives_way {
            return Ok(None);
        }
        // An engine elsewhere has other ports than we can see.
        let ours = self.host.info().is_some_and(|info| info.name == sys::env::hostname());
        Ok(sys::ports::holder(port).filter(|_| ours).map(|holder| words(&holder)))
    }

    /// Whether a container will have given a port up when this one is made: it is replaced by it, or
    /// by one before it that does not want the port any more; or it is removed.
    fn leaves(&self, candidate: &Candidate<'_>, other: &Container, port: &Port) -> bool {
        if candidate.owns(&other.labels) {
            return candidate.action.step == Step::Recreate;
        }
        if self.goes(&other.id) {
            return true;
        }
        let key = (other.project.clone(), other.compose_service.clone());
        let before = other.project == candidate.key.0
            && reachable(candidate.name(), &candidate.model().depends_on())
                .contains(&other.compose_service);
        let keeps = self.declared(&key).is_none_or(|(_, declared)| {
            wanted(declared).iter().flatten().any(|wanted| wanted.overlaps(port))
        });
        before && !keeps && self.replacing(&key).is_some()
    }
}

/// Whether a container has what one that is declared so needs for itself: a port, or its name.
pub fn has_what_it_needs(other: &Container, declared: &Value) -> bool {
    let ports = wanted(declared);
    let mut ports = ports.iter().flatten();
    let name = declared["container_name"].as_str().map(plain);
    name.as_ref() == Some(&other.name)
        || ports.any(|port| other.ports.iter().any(|published| published.overlaps(port)))
}

fn whose(other: &Container) -> String {
    format!("the container {} ({})", other.name, who(other.id.short(), &other.labels))
}

fn words(holder: &Holder) -> String {
    match &holder.process {
        Some((id, name)) => format!("the process {name} (pid {id}) has"),
        None => "another process of this host has".to_owned(),
    }
}

fn taken(name: &str, port: &Port, who: &str) -> Problem {
    let address = port.address.map(|address| format!(" on {address}")).unwrap_or_default();
    let number = format!("{}/{}", port.number, port.protocol.name());
    Problem::engine(
        "port_taken",
        format!("{name} needs port {number}{address}, which {who}"),
        "stop what has it, or publish another port in the compose file",
    )
}

/// The ports of this host that a service wants, each as the choices there are.
fn wanted(declared: &Value) -> Vec<Vec<Port>> {
    let one = |port: &Value| {
        let protocol = match port["protocol"].as_str() {
            Some("udp") => Protocol::Udp,
            Some("tcp") | None => Protocol::Tcp,
            Some(_) => return None,
        };
        let address = port["host_ip"].as_str().and_then(|text| text.parse().ok());
        let published = port["published"].as_str()?;
        let (first, last) = published.split_once('-').unwrap_or((published, published));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        // 0 is "any".
        let choices = (first.max(1)..=last).take(RANGE_MAX);
        let choices: Vec<Port> = choices.map(|number| Port { address, number, protocol }).collect();
        (first != 0 && !choices.is_empty()).then_some(choices)
    };
    let host_network = declared["network_mode"] == "host";
    let ports = declared["ports"].as_array().into_iter().flatten();
    ports.filter(|_| !host_network).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Port, Protocol, wanted};

    #[test]
    fn what_is_published() {
        let port = |address: &str, number, protocol| Port {
            address: address.parse().ok(),
            number,
            protocol,
        };
        let declared = json!({"ports": [
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": 80, "published": "80", "protocol": "tcp"},
            {"mode": "host", "target": 5, "published": "77", "protocol": "udp"},
            {"target": 80, "published": "9000-9001", "protocol": "tcp"},
            {"target": 99, "protocol": "tcp"},
            {"target": 98, "published": "0"},
            {"target": 97, "published": "97", "protocol": "sctp"},
            {"target": 96, "published": "9-7"},
            {"target": 95, "published": "x"},
        ]});
        let expected = [
            vec![port("127.0.0.1", 80, Protocol::Tcp)],
            vec![port("", 77, Protocol::Udp)],
            vec![port("", 9000, Protocol::Tcp), port("", 9001, Protocol::Tcp)],
        ];
        assert_eq!(wanted(&declared), expected);
        let on_host = json!({"network_mode": "host", "ports": [{"published": "80"}]});
        assert!(wanted(&on_host).is_empty());
        assert!(wanted(&json!({})).is_empty());
    }
}
