//! The engine's socket, the compose plugin, registries and their credentials.

pub mod compose;
