//! Health endpoints, of this host and of others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

/// An HTTP endpoint of another host: it answers with the status it is told to, or, told 0, hangs up.
#[derive(Clone)]
pub struct Endpoint {
    address: SocketAddr,
    status: Arc<AtomicU16>,
}

impl Endpoint {
    /// One on a free port of this address, which says 200.
    pub fn at(ip: &str) -> Endpoint {
        let listener = TcpListener::bind((ip, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let status = Arc::new(AtomicU16::new(200));
        let told = Arc::clone(&status);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0_u8; 2048]);
                let code = told.load(Ordering::SeqCst);
                if code != 0 {
                    let head = format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes());
                }
            }
        });
        Endpoint { address, status }
    }

    /// From now on it says that.
    pub fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}/health", self.address)
    }
}
