//! Pull streams as engines send them, and as they break.

use std::io::Write;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::{PullFailure, PullProgress, classify};
use crate::docker::credentials::RegistryAuth;
use crate::docker::engine::tests::engine;
use crate::docker::reference::Reference;
use crate::sys::exec::Cancel;
use crate::sys::http::fake::{Asked, Log, answer};

const STALL: Duration = Duration::from_millis(400);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

fn pull(
    reference: &str,
    auth: Option<&RegistryAuth>,
    script: impl Fn(&Asked, &mut dyn Write) + Send + Sync + 'static,
) -> (Log, Result<PullProgress, PullFailure>) {
    let (_dir, log, engine) = engine("1.41", script);
    let reference = Reference::parse(reference).unwrap();
    let named = reference.named().unwrap();
    let mut last = PullProgress::default();
    let result = engine.unwrap().pull(named, auth, STALL, &Cancel::default(), &mut |now| {
        last = now.clone();
    });
    (log, result.map(|()| last).map_err(|error| error.failure))
}

fn doze(pause: Duration) {
    std::thread::park_timeout(pause);
}

#[test]
fn a_pull_to_its_end() {
    let auth = RegistryAuth::Password { user: "u".to_owned(), password: "p".to_owned() };
    let (log, result) = pull("nginx", Some(&auth), |_, out| {
        let _ = out.write_all(HEAD);
        for line in [
            r#"{"status":"Pulling from library/nginx","id":"latest"}"#,
            r#"{"status":"Already exists","progressDetail":{},"id":"aaaaaaaaaaaa"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"bbbbbbbbbbbb"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"bbbbbbbbbbbb"}"#,
            r#"{"status":"Download complete","progressDetail":{},"id":"bbbbbbbbbbbb"}"#,
            r#"{"status":"Extracting","progressDetail":{"current":5,"total":50},"id":"bbbbbbbbbbbb"}"#,
            r#"{"status":"Pull complete","progressDetail":{},"id":"bbbbbbbbbbbb"}"#,
            r#"{"status":"Digest: sha256:x"}"#,
        ] {
            let _ = out.write_all(format!("{line}\r\n").as_bytes());
        }
    });
    let wanted = PullProgress { bytes: 100, bytes_total: 100, layers: 2, layers_total: 2 };
    assert_eq!(result.unwrap(), wanted);
    let asked = &log.all()[1];
    assert_eq!(asked.line, "POST /v1.41/images/create?fromImage=nginx&tag=latest");
    let header = URL_SAFE.decode(asked.header("x-registry-auth").unwrap()).unwrap();
    assert!(String::from_utf8(header).unwrap().contains(r#""username":"u""#));
}

#[test]
fn what_is_asked_for() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (reference, query) in [
        ("h:5/a/b:t".to_owned(), "fromImage=h%3A5%2Fa%2Fb&tag=t".to_owned()),
        (format!("a/b:t@{digest}"), format!("fromImage=a%2Fb&tag={}", digest.replace(':', "%3A"))),
    ] {
        let (log, _) = pull(&reference, None, |_, out| answer(out, 200, &[], ""));
        let asked = &log.all()[1];
        assert_eq!(asked.line, format!("POST /v1.41/images/create?{query}"));
        assert_eq!(asked.header("x-registry-auth"), None);
    }
}

#[test]
fn an_error_inside_a_good_answer_is_an_error() {
    let (_, result) = pull("a", None, |_, out| {
        let body = "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"write /x: no space \
                    left on device\"},\"error\":\"write\"}\r\n";
        answer(out, 200, &[], body);
    });
    assert!(matches!(result, Err(PullFailure::NoSpace(_))), "{result:?}");
    let (_, result) = pull("a", None, |_, out| answer(out, 200, &[], "{\"error\":\"odd\"}"));
    assert!(matches!(result, Err(PullFailure::Other(said)) if said == "odd"));
    let (_, result) = pull("a", None, |_, out| answer(out, 200, &[], "no json"));
    assert!(matches!(result, Err(PullFailure::Engine(_))), "{result:?}");
    let refused = r#"{"message":"manifest for a:latest not found: manifest unknown"}"#;
    let (_, result) = pull("a", None, |_, out| answer(out, 404, &[], refused));
    assert!(matches!(result, Err(PullFailure::NotFound(_))), "{result:?}");
}

#[test]
fn a_stream_cut_short_is_an_error() {
    let (_, result) = pull("a", None, |_, out| {
        let _ =
            out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":\"x\"}\r\n");
    });
    assert!(matches!(result, Err(PullFailure::Engine(_))), "{result:?}");
}

#[test]
fn silence_and_talk_without_progress_both_stall() {
    let (_, silent) = pull("a", None, |_, out| {
        let _ = out.write_all(HEAD);
        let _ = out.write_all(b"{\"status\":\"x\"}\r\n");
        doze(Duration::from_secs(20));
    });
    assert!(matches!(silent, Err(PullFailure::Stalled(_))), "{silent:?}");
    let (_, talk) = pull("a", None, |_, out| {
        let _ = out.write_all(HEAD);
        for seconds in (0..200).rev() {
            let line = format!("{{\"status\":\"Retrying in {seconds} seconds\",\"id\":\"a\"}}\n");
            if out.write_all(line.as_bytes()).is_err() {
                return;
            }
            doze(STALL / 8);
        }
    });
    assert!(matches!(talk, Err(PullFailure::Stalled(_))), "{talk:?}");
}

#[test]
fn slow_is_not_stalled() {
    let (_, result) = pull("a", None, |_, out| {
        let _ = out.write_all(HEAD);
        for bytes in 1..8 {
            let line = format!(
                "{{\"status\":\"Downloading\",\"id\":\"aaaaaaaaaaaa\",\
                 \"progressDetail\":{{\"current\":{bytes},\"total\":9}}}}\n"
            );
            let _ = out.write_all(line.as_bytes());
            doze(STALL / 3);
        }
    });
    assert_eq!(result.unwrap().bytes, 7);
}

#[test]
fn a_request_to_stop_ends_it() {
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let (_dir, _, engine) = engine("1.41", move |_, out| {
        let _ = out.write_all(HEAD);
        stop.set();
        doze(Duration::from_secs(20));
    });
    let reference = Reference::parse("a").unwrap();
    let named = reference.named().unwrap();
    let long = Duration::from_secs(600);
    let error = engine.unwrap().pull(named, None, long, &cancel, &mut |_| {}).unwrap_err();
    assert!(matches!(error.failure, PullFailure::Cancelled), "{error}");
}

#[test]
fn the_engines_words() {
    let kind = |message: &str| match classify(message) {
        PullFailure::NotFound(_) => "not found",
        PullFailure::Denied(_) => "denied",
        PullFailure::RateLimited(_) => "rate",
        PullFailure::Network(_) => "network",
        PullFailure::NoSpace(_) => "space",
        _ => "other",
    };
    for (message, wanted) in [
        ("manifest for h/a:x not found: manifest unknown: manifest unknown", "not found"),
        ("failed to resolve reference \"h/a:x\": h/a:x: not found", "not found"),
        (
            "pull access denied for a, repository does not exist or may require 'docker login'",
            "denied",
        ),
        ("Head \"http://h/v2/a/manifests/x\": no basic auth credentials", "denied"),
        ("unauthorized: authentication required", "denied"),
        ("toomanyrequests: You have reached your pull rate limit.", "rate"),
        (
            "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            "network",
        ),
        ("Get \"https://h/v2/\": dial tcp: lookup h on 1.1.1.1:53: no such host", "network"),
        ("net/http: TLS handshake timeout", "network"),
        ("unexpected EOF", "network"),
        ("write /var/lib/docker/tmp/x: no space left on device", "space"),
        ("no matching manifest for linux/amd64 in the manifest list entries", "other"),
    ] {
        assert_eq!(kind(message), wanted, "{message}");
    }
}
