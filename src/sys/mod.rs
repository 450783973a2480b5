//! The narrow door to everything that is not deterministic: clock, child processes, files, locks,
//! the network and the environment. Nothing here knows what a service or a stack is.

pub mod cancel;
pub mod child_record;
pub mod clock;
pub mod env;
pub mod exec;
pub mod fs;
pub mod http;
pub mod interfaces;
pub mod lock;
pub mod names;
pub mod notify;
pub mod opened;
pub mod pipes;
pub mod ports;
pub mod signal;
pub mod stop;
pub mod trust;
pub mod wake;
pub mod zone;
