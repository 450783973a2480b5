//! Which of the listed peers is this host itself. It reads who the host is and decides; it sends
//! nothing.

use std::fmt;
use std::net::IpAddr;

use crate::sys::interfaces::OwnAddresses;
use crate::sys::names;

use super::Target;

/// Who this host is, on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its names besides `localhost`, lower case.
    pub names: Vec<String>,
    /// Its addresses, or why they could not be read. Then any address might be its own.
    pub addresses: Result<OwnAddresses, String>,
}

/// A listed peer that is this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Where it is listed, fit to be shown.
    pub url: String,
    /// How it is known.
    pub by: OwnBy,
}

/// How a peer is known to be this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnBy {
    /// The name is one of this host.
    Name,
    /// This address of it is one of this host.
    Address(IpAddr),
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            OwnBy::Name => write!(f, "{}: this host, by its name", self.url),
            OwnBy::Address(address) => write!(f, "{}: this host, at {address}", self.url),
        }
    }
}

/// What the addresses of a peer say about who it is.
pub(super) enum Who {
    /// This host.
    Own(Own),
    /// Another.
    Other,
    /// Cannot be told, and why.
    Unknown(String),
}

impl Identity {
    /// Reads it now: interfaces come and go.
    #[must_use]
    pub fn read() -> Identity {
        let addresses = OwnAddresses::read().map_err(|cause| cause.to_string());
        Identity { names: names::own_names(), addresses }
    }

    /// Whether the name alone shows that it is this host.
    pub(super) fn by_name(&self, target: &Target) -> Option<Own> {
        let host = target.host();
        let own = host == "localhost" || self.names.iter().any(|name| name == host);
        own.then(|| Own { url: target.to_string(), by: OwnBy::Name })
    }

    /// Who it is by the addresses of its name: one of ours is enough.
    pub(super) fn by_address(&self, target: &Target, found: &[IpAddr]) -> Who {
        let known = match &self.addresses {
            Ok(known) => known,
            Err(why) => return Who::Unknown(why.clone()),
        };
        match found.iter().find(|address| known.contains(**address)) {
            Some(address) => {
                Who::Own(Own { url: target.to_string(), by: OwnBy::Address(*address) })
            }
            None => Who::Other,
        }
    }
}
