//! The sandbox in which the engine tier plays: a git remote, a host's checkout, a registry and
//! containers of its own, so that a test reads as a story and leaves nothing behind. It never
//! touches a container, image, network or volume that a sandbox did not make.

mod endpoint;
mod engine;
mod front;
mod image;
mod machine;
mod process;
mod registry;
mod report;
mod sandbox;
mod small_engine;
mod snapshot;
mod stored;
mod wrappers;

pub use endpoint::Endpoint;
pub use engine::{label, text};
pub use front::{Front, Turn};
pub use image::LABEL;
pub use machine::Machine;
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

/// A port that nobody has, on a loopback address that no other test uses: between this look and the
/// use of the port, nobody who asks for any port of 127.0.0.1 can be given it.
pub fn free_address() -> std::net::SocketAddrV4 {
    static ASKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let asked = ASKED.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let seed = image::digest(format!("{} {asked}", std::process::id()).as_bytes());
    let octet = |at: usize| u8::from_str_radix(&seed[at..at + 2], 16).expect("hex") % 254 + 1;
    let own = std::net::Ipv4Addr::new(127, octet(8), octet(10), octet(12));
    let listener = std::net::TcpListener::bind((own, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::net::SocketAddrV4::new(own, port)
}
