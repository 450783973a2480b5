//! Registries as scripted servers on loopback: digests, tokens, refusals, and who is shown what.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{RegistryClient, RegistryConfig, RegistryError};
use crate::docker::credentials::{Credentials, CredentialsError, RegistryAuth};
use crate::docker::digest::Digest;
use crate::docker::engine::{InsecureRegistries, Platform};
use crate::docker::reference::{Named, Reference};
use crate::sys::http::Cidr;
use crate::sys::http::fake::{self, Asked, Log, answer};

pub(super) const PASSWORD: &str = "hunter2";
const BASIC: &str = "Basic dTpodW50ZXIy";

/// Credentials for every registry, or for none.
pub(super) struct Wallet(pub Option<RegistryAuth>);

impl Credentials for Wallet {
    fn find(&self, _: &str) -> Result<Option<RegistryAuth>, CredentialsError> {
        Ok(self.0.clone())
    }
}

fn with_password() -> Wallet {
    let (user, password) = ("u".to_owned(), PASSWORD.to_owned());
    Wallet(Some(RegistryAuth::Password { user, password }))
}

pub(super) fn name(text: &str) -> Named {
    Reference::parse(text).unwrap().named().unwrap().clone()
}

pub(super) fn client(wallet: Wallet) -> RegistryClient {
    client_with(wallet)
}

pub(super) fn client_with(credentials: impl Credentials + 'static) -> RegistryClient {
    let config = RegistryConfig {
        insecure: InsecureRegistries::new(BTreeMap::new(), Vec::<Cidr>::new()),
        certs_dir: PathBuf::from("/nonexistent"),
        system_roots: PathBuf::from("/nonexistent"),
        timeout: Duration::from_secs(5),
    };
    RegistryClient::new(config, Arc::new(credentials))
}

/// The digest of `a:t` in a registry that answers as `script` says.
fn digest(
    wallet: Wallet,
    script: impl Fn(&Asked, &mut dyn Write) + Send + Sync + 'static,
) -> (Log, Result<Digest, RegistryError>) {
    let (port, log) = fake::tcp(script);
    (log, client(wallet).digest(&name(&format!("127.0.0.1:{port}/a:t"))))
}

fn port_of(asked: &Asked) -> String {
    asked.header("host").unwrap().to_owned()
}

#[test]
fn one_head_request_is_enough() {
    let known = Digest::of(b"x");
    let text = known.to_string();
    let (log, found) = digest(with_password(), move |_, out| {
        answer(out, 200, &[("Docker-Content-Digest", &text)], "");
    });
    assert_eq!(found.unwrap(), known);
    let asked = log.all();
    assert_eq!(log.lines(), ["HEAD /v2/a/manifests/t"]);
    let accepts = asked[0].headers.iter().filter(|line| line.to_lowercase().starts_with("accept:"));
    assert_eq!(accepts.count(), 4, "{:?}", asked[0].headers);
    assert_eq!(asked[0].header("authorization"), None, "nobody asked who we are");
}

#[test]
fn without_the_header_the_content_counts() {
    let (log, found) = digest(Wallet(None), |asked, out| match asked.line.starts_with("HEAD") {
        true => drop(out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")),
        false => answer(out, 200, &[], "{}"),
    });
    assert_eq!(found.unwrap(), Digest::of(b"{}"));
    assert_eq!(log.lines(), ["HEAD /v2/a/manifests/t", "GET /v2/a/manifests/t"]);
}

#[test]
fn nonsense_is_not_a_digest() {
    for header in ["sha256:abc", "sha512:00", "", "sha256:../../etc/passwd"] {
        let (_, found) = digest(Wallet(None), move |_, out| {
            answer(out, 200, &[("Docker-Content-Digest", header)], "");
        });
        assert!(matches!(found, Err(RegistryError::Unexpected { .. })), "{header}: {found:?}");
    }
    let (_, found) = digest(Wallet(None), |asked, out| match asked.line.starts_with("HEAD") {
        true => drop(out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")),
        false => answer(out, 200, &[], &"x".repeat(5 * 1024 * 1024)),
    });
    assert!(matches!(found, Err(RegistryError::Unreachable { .. })), "{found:?}");
}

#[test]
fn refusals() {
    let status = |status: u16| {
        digest(Wallet(None), move |_, out| answer(out, status, &[("Retry-After", "17")], "")).1
    };
    assert!(matches!(status(404), Err(RegistryError::NotFound(_))));
    assert!(matches!(status(403), Err(RegistryError::Denied { .. })));
    assert!(matches!(status(401), Err(RegistryError::Denied { .. })));
    assert!(matches!(status(500), Err(RegistryError::Unreachable { .. })));
    assert!(matches!(status(418), Err(RegistryError::Unexpected { .. })));
    assert!(matches!(status(302), Err(RegistryError::Unexpected { .. })));
    for limit in [429, 503] {
        let Err(RegistryError::RateLimited { retry_after, .. }) = status(limit) else {
            panic!("{limit} is a limit");
        };
        assert_eq!(retry_after, Some(Duration::from_secs(17)));
    }
}

#[test]
fn a_registry_may_want_rest_until_a_time_of_its_own_clock() {
    let now = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (now, wanted, expected) in [
        (now, "Sun, 06 Nov 1994 08:51:00 GMT", Some(83)),
        (now, "Sun, 06 Nov 1994 08:00:00 GMT", None),
        ("now", "Sun, 06 Nov 1994 08:51:00 GMT", None),
        (now, "soon", None),
    ] {
        let headers = [("Date", now), ("Retry-After", wanted)];
        let found = digest(Wallet(None), move |_, out| answer(out, 429, &headers, "")).1;
        let Err(RegistryError::RateLimited { retry_after, .. }) = found else {
            panic!("429 is a limit: {found:?}");
        };
        assert_eq!(retry_after, expected.map(Duration::from_secs), "{headers:?}");
    }
}

#[test]
fn a_registry_that_wants_rest_gets_it() {
    let (port, log) = fake::tcp(|_, out| answer(out, 429, &[("Retry-After", "17")], ""));
    let client = client(Wallet(None));
    for image in ["a:t", "b:t"] {
        let found = client.digest(&name(&format!("127.0.0.1:{port}/{image}")));
        assert!(
            matches!(found, Err(RegistryError::RateLimited { retry_after: Some(_), .. })),
            "{found:?}"
        );
        assert!(found.unwrap_err().to_string().contains("17 s"));
    }
    assert_eq!(log.lines(), ["HEAD /v2/a/manifests/t"], "it is not asked again");
}

#[test]
fn a_dead_registry_is_asked_once_and_others_are() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = listener.local_addr().unwrap().port();
    drop(listener);
    let client = client(Wallet(None));
    let ask = |port: u16| client.digest(&name(&format!("127.0.0.1:{port}/a:t")));
    assert!(matches!(ask(dead), Err(RegistryError::Unreachable { .. })));
    let Ok(again) = TcpListener::bind(("127.0.0.1", dead)) else { return };
    assert!(matches!(ask(dead), Err(RegistryError::Unreachable { .. })));
    again.set_nonblocking(true).unwrap();
    assert!(again.accept().is_err(), "nobody called");
    let (alive, _) = fake::tcp(|_, out| answer(out, 404, &[], ""));
    assert!(matches!(ask(alive), Err(RegistryError::NotFound(_))));
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let found = client(Wallet(None)).digest(&name(&format!("127.0.0.1:{port}/a")));
    let Err(RegistryError::Unreachable { registry, .. }) = found else { panic!("{found:?}") };
    assert_eq!(registry, format!("127.0.0.1:{port}"));
}

#[test]
fn basic() {
    let script = |asked: &Asked, out: &mut dyn Write| match asked.header("authorization") {
        Some(BASIC) => answer(out, 200, &[("Docker-Content-Digest", Digest::of(b"").as_str())], ""),
        _ => answer(out, 401, &[("WWW-Authenticate", "Basic realm=\"r\"")], ""),
    };
    assert_eq!(digest(with_password(), script).1.unwrap(), Digest::of(b""));
    let (_, none) = digest(Wallet(None), script);
    assert!(none.unwrap_err().to_string().contains("docker login 127.0.0.1:"));
    let (user, password) = ("u".to_owned(), "wrong".to_owned());
    let wrong = Wallet(Some(RegistryAuth::Password { user, password }));
    let (_, refused) = digest(wrong, script);
    assert!(matches!(refused, Err(RegistryError::Denied { .. })), "{refused:?}");
}

/// A registry with its token server on the same port.
fn token_registry(asked: &Asked, out: &mut dyn Write) {
    let challenge = format!(
        "Bearer realm=\"http://{}/token?x=y\",service=\"s\",scope=\"repository:a:pull\"",
        port_of(asked)
    );
    if asked.line.contains("/token") {
        let good = asked.header("authorization").is_none_or(|shown| shown == BASIC);
        match good {
            true => answer(out, 200, &[], r#"{"access_token":"tok","expires_in":60}"#),
            false => answer(out, 401, &[], ""),
        }
    } else if asked.header("authorization") == Some("Bearer tok") {
        answer(out, 200, &[("Docker-Content-Digest", Digest::of(b"").as_str())], "");
    } else {
        answer(out, 401, &[("WWW-Authenticate", &challenge)], "");
    }
}

#[test]
fn a_token_is_asked_for_once() {
    let (port, log) = fake::tcp(token_registry);
    let client = client(with_password());
    for _ in 0..2 {
        client.digest(&name(&format!("127.0.0.1:{port}/a:t"))).unwrap();
    }
    let asked = log.all();
    assert_eq!(
        log.lines(),
        [
            "HEAD /v2/a/manifests/t",
            "GET /token?x=y&scope=repository%3Aa%3Apull&service=s",
            "HEAD /v2/a/manifests/t",
            "HEAD /v2/a/manifests/t",
        ]
    );
    assert_eq!(asked[1].header("authorization"), Some(BASIC));
}

#[test]
fn tokens_without_or_with_other_credentials() {
    let (log, found) = digest(Wallet(None), token_registry);
    assert_eq!(found.unwrap(), Digest::of(b""));
    assert_eq!(log.all()[1].header("authorization"), None);

    let wallet = Wallet(Some(RegistryAuth::IdentityToken("r/t".to_owned())));
    let (log, found) = digest(wallet, token_registry);
    assert_eq!(found.unwrap(), Digest::of(b""));
    assert_eq!(log.lines()[1], "POST /token?x=y");
    let body = String::from_utf8(log.all()[1].body.clone()).unwrap();
    assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=r%2Ft"));

    let (user, password) = ("u".to_owned(), "wrong".to_owned());
    let wrong = Wallet(Some(RegistryAuth::Password { user, password }));
    let (_, refused) = digest(wrong, token_registry);
    assert!(refused.unwrap_err().to_string().contains("docker login"));
}

#[test]
fn a_hostile_realm_gets_nothing() {
    let (trap, trapped) = fake::tcp(|_, out| answer(out, 200, &[], r#"{"token":"t"}"#));
    for realm in [format!("http://localhost:{trap}/t"), format!("https://localhost:{trap}/t")] {
        let challenge = format!("Bearer realm=\"{realm}\"");
        let (log, found) = digest(with_password(), move |_, out| {
            answer(out, 401, &[("WWW-Authenticate", &challenge)], "");
        });
        assert!(found.is_err(), "{realm}");
        let all: Vec<Asked> = log.all().into_iter().chain(trapped.all()).collect();
        assert!(all.iter().all(|asked| asked.header("authorization").is_none()), "{all:?}");
    }
}

#[test]
fn a_redirect_takes_no_credentials_along_and_never_leaves_https() {
    let (trap, trapped) = fake::tcp(|_, out| answer(out, 200, &[], "{}"));
    let location = format!("http://127.0.0.1:{trap}/v2/a/manifests/t");
    let (_, found) = digest(with_password(), move |_, out| {
        answer(out, 307, &[("Location", &location)], "");
    });
    assert!(matches!(found, Err(RegistryError::Unexpected { .. })), "{found:?}");
    assert_eq!(trapped.lines(), Vec::<String>::new());
}

#[test]
fn sizes_through_an_index() {
    let image = r#"{"config":{"digest":"c","size":7},"layers":[{"digest":"l","size":100}]}"#;
    let inner = Digest::of(image.as_bytes());
    let index = serde_json::json!({"manifests": [
        {"digest": Digest::of(b"other").as_str(), "platform": {"os": "linux", "architecture": "s390x"}},
        {"digest": inner.as_str(), "platform": {"os": "linux", "architecture": "amd64"}},
    ]})
    .to_string();
    let (port, log) = fake::tcp(move |asked, out| {
        if asked.line.ends_with("/t") {
            answer(out, 200, &[], &index);
        } else if asked.line.ends_with(inner.as_str()) {
            answer(out, 200, &[], image);
        } else {
            answer(out, 200, &[], "forged");
        }
    });
    let client = client(Wallet(None));
    let name = name(&format!("127.0.0.1:{port}/a:t"));
    let size = |machine| client.pull_size(&name, &Platform::from_machine("linux", machine));
    assert_eq!(size("x86_64").unwrap(), 107);
    assert_eq!(log.lines().len(), 2);
    assert!(size("s390x").unwrap_err().to_string().contains("does not match the digest"));
    assert!(size("riscv64").unwrap_err().to_string().contains("linux/riscv64"));
}
