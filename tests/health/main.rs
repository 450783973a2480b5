//! The quorum gate against real endpoints on loopback: 127.0.0.1 is this host, 127.0.0.2 stands for
//! a peer. No request leaves this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says no by panicking, and measures real time"
)]

mod server;

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use renew::decide::gate::{Judgement, LocalUrl, Stopping, Works};
use renew::health::{History, Identity, OwnBy, Peers, Prober, Question, Target, Verdict, Why};
use renew::sys::clock::SystemClock;
use renew::sys::env;
use renew::sys::exec::Cancel;
use renew::sys::http::{Client, Via};
use renew::sys::names::{BoundedNames, NameError};
use server::{Endpoint, Manner, OK, nobody};

const PEER: &str = "127.0.0.2";
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(20);

/// Calls `work` with a prober that trusts the authorities in `roots`.
fn with_prober<T>(roots: &str, names: &BoundedNames, work: impl FnOnce(Prober) -> T) -> T {
    let http = Client::tcp_with_roots(Path::new(roots), Via::Direct).unwrap();
    work(Prober {
        http: &http,
        names,
        clock: &SystemClock::default(),
        cancel: &Cancel::default(),
        identity: &Identity::read(),
    })
}

fn probe_with(roots: &str, url: &str, timeout: Duration) -> Verdict {
    let names = BoundedNames::system();
    with_prober(roots, &names, |prober| prober.probe(&Target::new(url), timeout)).verdict
}

fn probe(url: &str, timeout: Duration) -> Verdict {
    probe_with("/nonexistent", url, timeout)
}

fn peers(urls: &[String], timeout: Duration) -> Peers {
    let targets: Vec<Target> = urls.iter().map(|url| Target::new(url)).collect();
    let names = BoundedNames::system();
    with_prober("/nonexistent", &names, |prober| prober.peers(&targets, timeout)).unwrap()
}

fn judge(required: usize, urls: &[String], local: Option<(&str, History)>) -> Judgement {
    let targets: Vec<Target> = urls.iter().map(|url| Target::new(url)).collect();
    let own = local.map(|(url, _)| Target::new(url));
    let question = Question {
        required,
        peers: &targets,
        local: own.as_ref(),
        history: local.map_or(History::NeverAnswered, |(_, history)| history),
        stopping: &[Stopping { name: "web-1".into(), works: Works::Yes }],
        timeout: SHORT,
    };
    let names = BoundedNames::system();
    with_prober("/nonexistent", &names, |prober| prober.ask(&question)).unwrap().judgement
}

#[test]
fn answers_that_are_healthy() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        // The body is nobody's business: cut short, or broken.
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx",
        "HTTP/1.1 299 Fine\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
    ] {
        let endpoint = Endpoint::start(PEER, Manner::Says(text));
        let verdict = probe(&endpoint.url("http"), LONG);
        assert!(matches!(verdict, Verdict::Healthy(200..=299)), "{text:?}: {verdict:?}");
    }
    let drips = Manner::Drips("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    let verdict = probe(&Endpoint::start(PEER, drips).url("http"), LONG);
    assert_eq!(verdict, Verdict::Healthy(200), "a body without end");
}

#[test]
fn answers_that_are_not() {
    let elsewhere = Endpoint::start(PEER, OK);
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url("http")
    );
    let redirect: &'static str = redirect.leak();
    for (manner, expected) in [
        (Manner::Says("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"), "status 500"),
        (Manner::Says("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"), "status 404"),
        (Manner::Says(redirect), "status 302, and redirects are not followed"),
        (Manner::Says("HTTP/1.1 304 Not Modified\r\n\r\n"), "status 304, and redirects"),
        (Manner::Says("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "the answer is not HTTP: "),
        (Manner::Says("HTTP/1.1 200 OK\r\nContent-Le"), "the connection failed: "),
        (Manner::Closes, "the connection failed: "),
    ] {
        let endpoint = Endpoint::start(PEER, manner);
        let Verdict::Unhealthy(why) = probe(&endpoint.url("http"), LONG) else {
            panic!("healthy: {manner:?}")
        };
        assert!(why.to_string().starts_with(expected), "{manner:?}: {why}");
        assert_eq!(endpoint.asked(), 1, "{manner:?}");
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
    let refused = probe(&format!("http://{}/", nobody(PEER)), LONG);
    assert_eq!(refused, Verdict::Unhealthy(Why::Refused));
}

#[test]
fn nothing_takes_longer_than_the_timeout() {
    // A listener whose queue is full: connecting to it gets no answer.
    let full = TcpListener::bind((PEER, 0)).unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let address = full.local_addr().unwrap();
    let held: Vec<_> =
        (0..4).map_while(|_| TcpStream::connect_timeout(&address, SHORT / 4).ok()).collect();
    assert!(held.len() < 4, "the queue could not be filled");
    let slow = [
        ("silence", Endpoint::start(PEER, Manner::Silent).url("http")),
        ("no status", Endpoint::start(PEER, Manner::Drips("HTTP/1.1 200 O")).url("http")),
        ("a header", Endpoint::start(PEER, Manner::Drips("HTTP/1.1 200 OK\r\nA: ")).url("http")),
        ("no TLS greeting", Endpoint::start(PEER, Manner::Silent).url("https")),
        ("no connection", format!("http://{address}/")),
    ];
    for (what, url) in slow.clone() {
        let start = Instant::now();
        let verdict = probe(&url, SHORT);
        let took = start.elapsed();
        assert_eq!(verdict, Verdict::Unhealthy(Why::Timeout(SHORT)), "{what}");
        assert!(took < SHORT + Duration::from_secs(3), "{what}: {took:?}");
    }
    let mut urls: Vec<String> = slow.into_iter().map(|(_, url)| url).collect();
    let good = Endpoint::start(PEER, OK);
    urls.push(good.url("http"));
    let start = Instant::now();
    assert_eq!(peers(&urls, SHORT).healthy(), 1);
    let took = start.elapsed();
    assert!(took < SHORT * 3, "peers wait for each other: {took:?}");
}

#[test]
fn a_quorum_is_met_or_not() {
    let (good, other) = (Endpoint::start(PEER, OK), Endpoint::start("127.0.0.3", OK));
    let bad = Endpoint::start(
        PEER,
        Manner::Says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
    );
    let gone = format!("http://u:hunter2@{}/health?token=hunter2", nobody(PEER));
    let all = [good.url("http"), bad.url("http"), gone.clone(), other.url("http")];
    assert_eq!(judge(1, &all, None), Judgement::Open);
    assert_eq!(judge(2, &all, None), Judgement::Open);
    let Judgement::Refused { healthy, required, detail } = judge(3, &all, None) else {
        panic!("two are not three")
    };
    assert_eq!((healthy, required), (2, 3));
    let shown = gone.replace("u:hunter2@", "").replace("token=hunter2", "…");
    let expected = format!("{}: status 503; {shown}: connection refused", bad.url("http"));
    assert_eq!(detail, expected);
}

#[test]
fn the_own_address_decides_about_the_bypass() {
    let peer = [format!("http://{}/", nobody(PEER))];
    let good = Endpoint::start("127.0.0.1", OK).url("http");
    let shaky = Endpoint::start("127.0.0.1", Manner::LosesOne);
    let dead = format!("http://{}/", nobody("127.0.0.1"));
    let refused = |judgement| matches!(judgement, Judgement::Refused { .. });
    assert!(refused(judge(1, &peer, Some((&good, History::Answered)))));
    assert!(refused(judge(1, &peer, Some((&shaky.url("http"), History::Answered)))));
    assert_eq!(shaky.asked(), 2, "one lost probe is not down");
    assert!(refused(judge(1, &peer, Some((&dead, History::NeverAnswered)))));
    let start = Instant::now();
    let Judgement::Bypassed { why } = judge(1, &peer, Some((&dead, History::Answered))) else {
        panic!("it answered before and does not any more")
    };
    assert_eq!(why, format!("{dead} failed 3 probes in a row: connection refused"));
    assert!(start.elapsed() >= Duration::from_secs(2), "1 s between two probes");
}

#[test]
fn this_host_is_no_peer_of_itself() {
    let own = Endpoint::start("127.0.0.1", OK);
    let peer = Endpoint::start(PEER, OK);
    let port = own.address.port();
    let mut listed = vec![
        own.url("http"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://{}:{port}/", env::hostname()),
    ];
    // No packet is sent: it only asks the kernel which address it would use.
    let route = UdpSocket::bind("0.0.0.0:0").unwrap();
    if route.connect("198.51.100.1:9").is_ok() {
        listed.push(format!("http://{}:{port}/", route.local_addr().unwrap().ip()));
    }
    let all = [listed.clone(), vec![peer.url("http")]].concat();
    let seen = peers(&all, LONG);
    assert_eq!(seen.own.iter().map(|own| own.url.clone()).collect::<Vec<_>>(), listed);
    assert_eq!(seen.own[0].by, OwnBy::Address("127.0.0.1".parse().unwrap()));
    assert_eq!(seen.own[1].by, OwnBy::Name);
    assert_eq!((seen.probes.len(), seen.healthy()), (1, 1));
    assert_eq!((own.asked(), peer.asked()), (0, 1));
    let alone = judge(1, &listed, None);
    let Judgement::Refused { healthy: 0, detail, .. } = alone else { panic!("{alone:?}") };
    assert_eq!(detail, "no peer but this host is listed");
}

#[test]
fn a_resolver_that_never_answers_costs_no_more_than_the_timeout() {
    let names = BoundedNames::new(
        |_| {
            std::thread::sleep(LONG * 3);
            Ok(Vec::new())
        },
        3,
    );
    let urls = ["http://a.test/", "http://b.test/", "http://c.test/", "http://d.test/"];
    let targets: Vec<Target> = urls.iter().map(|url| Target::new(url)).collect();
    let start = Instant::now();
    let seen = with_prober("/nonexistent", &names, |prober| prober.peers(&targets, SHORT));
    assert!(start.elapsed() < SHORT * 3, "{:?}", start.elapsed());
    let seen = seen.unwrap().probes;
    let with = |cause: NameError| {
        let verdict = Verdict::Unhealthy(Why::Name(cause));
        seen.iter().filter(|probe| probe.verdict == verdict).count()
    };
    assert_eq!((with(NameError::Timeout(SHORT)), with(NameError::Busy(3))), (3, 1), "{seen:?}");
}

#[cfg(feature = "tls")]
#[test]
fn https_needs_an_authority_that_this_host_trusts() {
    let roots = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/health/tls/authority.pem");
    let good = Endpoint::start_tls(PEER, OK);
    assert_eq!(probe_with(roots, &good.url("https"), LONG), Verdict::Healthy(200));
    let other_name = Endpoint::start_tls("127.0.0.3", OK);
    let plain = Endpoint::start(PEER, OK);
    for (what, roots, url) in [
        ("an unknown authority", "/nonexistent", good.url("https")),
        ("the name of another", roots, other_name.url("https")),
        ("no TLS at all", roots, plain.url("https")),
    ] {
        let verdict = probe_with(roots, &url, LONG);
        assert!(matches!(verdict, Verdict::Unhealthy(Why::Tls(_))), "{what}: {verdict:?}");
    }
    let silent = Endpoint::start_tls(PEER, Manner::Drips("HTTP/1.1 200 OK\r\nA: "));
    let verdict = probe_with(roots, &silent.url("https"), SHORT);
    assert_eq!(verdict, Verdict::Unhealthy(Why::Timeout(SHORT)), "a header without end");
    // Greeting and answer are each in time, and together they are not.
    let late = Endpoint::start_tls(PEER, Manner::LateTwice(SHORT * 3 / 4)).url("https");
    let verdict = probe_with(roots, &late, SHORT);
    assert_eq!(verdict, Verdict::Unhealthy(Why::Timeout(SHORT)), "one deadline for all of it");
    assert_eq!(probe_with(roots, &late, LONG), Verdict::Healthy(200));
    // What is in the file is no certificate: the built-in authorities count, and do not know it.
    let broken = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let verdict = probe_with(broken, &good.url("https"), LONG);
    assert!(matches!(verdict, Verdict::Unhealthy(Why::Tls(_))), "{verdict:?}");
}

#[test]
fn a_local_url_that_answers_is_news() {
    let good = Endpoint::start("127.0.0.1", OK);
    let names = BoundedNames::system();
    let said = with_prober("/nonexistent", &names, |prober| {
        prober.local(&Target::new(&good.url("http")), History::NeverAnswered, LONG)
    });
    assert_eq!(said.unwrap(), LocalUrl::Answers);
}
