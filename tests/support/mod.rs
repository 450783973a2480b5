//! The sandbox in which the engine tier plays: a git remote, a host's checkout, a registry and
//! containers of its own, so that a test reads as a story and leaves nothing behind. It never
//! touches a container, image, network or volume that a sandbox did not make.

mod engine;
mod front;
mod image;
mod process;
mod registry;
mod report;
mod sandbox;
mod small_engine;
mod snapshot;
mod wrappers;

pub use engine::{label, text};
pub use front::{Front, Turn};
pub use image::LABEL;
pub use process::{Output, Running, run};
pub use registry::Registry;
pub use sandbox::{Form, Sandbox};
pub use small_engine::Freeze;

/// Polls until `look` finds something; panics with `what` after `limit_s` seconds.
pub fn wait_for<T>(what: &str, limit_s: u64, mut look: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(limit_s);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "waited {limit_s} s in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
