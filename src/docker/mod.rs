//! The engine's socket, the compose plugin, registries and their credentials.

pub mod complaint;
pub mod compose;
pub mod credentials;
pub mod digest;
pub mod dotenv;
pub mod engine;
pub mod redact;
pub mod reference;
pub mod registry;

mod trouble;
