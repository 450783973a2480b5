//! Networks: who is in one, and removing one that nobody is in. Making them is compose's business;
//! nothing is ever disconnected, and of volumes it is only asked whether they exist.

use std::time::Duration;

use super::types::NetworkInspected;
use super::{Engine, EngineError, wire};
use crate::sys::http::{Method, escape};

impl Engine {
    /// A network by its name, with the running containers in it; `None` if there is none.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn network(&self, name: &str) -> Result<Option<NetworkInspected>, EngineError> {
        let path = format!("/networks/{}", escape(name));
        let found = self.read_optional::<wire::Network>(&path)?.map(NetworkInspected::from);
        // The engine also takes the beginning of an id for a name.
        Ok(found.filter(|network| network.name == name))
    }

    /// Whether there is a network of this name or id.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn has_network(&self, name: &str) -> Result<bool, EngineError> {
        let found: Option<wire::Network> =
            self.read_optional(&format!("/networks/{}", escape(name)))?;
        Ok(found.is_some_and(|network| network.name == name || network.id == name))
    }

    /// Whether there is a volume of this name.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn has_volume(&self, name: &str) -> Result<bool, EngineError> {
        let path = format!("/volumes/{}", escape(name));
        Ok(self.read_optional::<serde::de::IgnoredAny>(&path)?.is_some())
    }

    /// Removes a network, by id. One with a running container in it stays.
    ///
    /// # Errors
    /// See [`EngineError`]; one in use is refused.
    pub fn remove_network(&self, id: &str) -> Result<(), EngineError> {
        self.change(Method::Delete, &format!("/networks/{}", escape(id)), Duration::ZERO)
    }
}
