//! Health endpoints on loopback, plain and with TLS, that behave as a script says. They never
//! understand what they are asked.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Answers these bytes and closes.
    Says(&'static str),
    /// Says nothing and stays.
    Silent,
    /// Answers well, but takes this long before it reads and again before it answers.
    LateTwice(Duration),
    /// Sends these bytes, then one more at a time for as long as somebody reads.
    Drips(&'static str),
    /// Closes before it was asked.
    Closes,
    /// Fails the first time, answers 200 ever after.
    LosesOne,
}

pub const OK: Manner = Manner::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// A running endpoint, until the test process ends.
pub struct Endpoint {
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    /// Serves on a free port of `ip`.
    pub fn start(ip: &str, manner: Manner) -> Endpoint {
        Endpoint::serve(ip, move |mut stream, count| play(manner, count, &mut stream))
    }

    /// The same behind TLS, with the certificate for 127.0.0.2 that the test authority signed.
    pub fn start_tls(ip: &str, manner: Manner) -> Endpoint {
        let certificate = CertificateDer::from(include_bytes!("tls/server.der").to_vec());
        let key = PrivatePkcs8KeyDer::from(include_bytes!("tls/server.key.der").to_vec());
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key.into())
                .unwrap();
        let config = Arc::new(config);
        Endpoint::serve(ip, move |stream, count| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            play(manner, count, &mut stream);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        })
    }

    fn serve(
        ip: &str,
        play: impl Fn(std::net::TcpStream, usize) + Send + Sync + 'static,
    ) -> Endpoint {
        let ip: IpAddr = ip.parse().unwrap();
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, play) = (asked.clone(), Arc::new(play));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (number, play) = (count.fetch_add(1, Ordering::SeqCst), play.clone());
                std::thread::spawn(move || play(stream, number));
            }
        });
        Endpoint { address, asked }
    }

    /// Its address in a URL.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/health", self.address)
    }

    /// Connections so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A port of `ip` where nobody listens.
pub fn nobody(ip: &str) -> SocketAddr {
    TcpListener::bind((ip.parse::<IpAddr>().unwrap(), 0)).unwrap().local_addr().unwrap()
}

fn play(manner: Manner, count: usize, stream: &mut (impl Read + Write)) {
    match manner {
        Manner::Closes => {}
        Manner::LosesOne if count == 0 => {}
        Manner::LosesOne => play(OK, count, stream),
        Manner::Says(text) => {
            read_head(stream);
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.flush();
        }
        Manner::Silent => {
            read_head(stream);
            std::thread::sleep(Duration::from_secs(60));
        }
        Manner::LateTwice(pause) => {
            std::thread::sleep(pause);
            read_head(stream);
            std::thread::sleep(pause);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.flush();
        }
        Manner::Drips(start) => {
            read_head(stream);
            let mut piece = start.as_bytes();
            while stream.write_all(piece).is_ok() && stream.flush().is_ok() {
                piece = b"x";
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// The first byte of a TLS greeting, which no request in plain text begins with.
const TLS_HANDSHAKE: u8 = 22;

/// Reads to the blank line, so that closing afterwards does not look like a reset.
fn read_head(stream: &mut impl Read) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n")
        && head.first() != Some(&TLS_HANDSHAKE)
        && matches!(stream.read(&mut byte), Ok(1))
    {
        head.push(byte[0]);
    }
}
