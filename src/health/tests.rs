//! The prober with a clock, a resolver and a network of its own: how often it asks, whom it leaves
//! out, and what it does not ask at all.

use std::io;
use std::net::IpAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use self::world::{FakeClock, Host, PATIENCE};
use super::{History, Own, OwnBy, Prober, Question, Target, Verdict, Why};
use crate::decide::gate::{Judgement, LocalUrl, Works};
use crate::problem::Trouble;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::http::HttpError;
use crate::sys::names::{NameError, Names};

mod world;

fn refused() -> HttpError {
    HttpError::Io(io::ErrorKind::ConnectionRefused.into())
}

#[test]
fn the_own_address_is_down_after_three_failures_in_a_row_and_not_before() {
    let seconds = Duration::from_secs;
    for (answers, history, expected, probes) in [
        ("+", History::Answered, "answers", 1),
        ("+", History::NeverAnswered, "answers", 1),
        ("-+", History::Answered, "answers", 2),
        ("--+", History::Answered, "answers", 3),
        ("---+", History::Answered, "fails", 3),
        ("-+++", History::NeverAnswered, "never", 1),
    ] {
        let mut host = Host::new(|_, count| match answers.as_bytes()[count] {
            b'+' => Ok(204),
            _ => Err(refused()),
        });
        host.zone.0.insert("localhost.lan.test", "192.0.2.1");
        let said = match host.local(history) {
            LocalUrl::Answers => "answers",
            LocalUrl::Fails(_) => "fails",
            LocalUrl::NeverAnswered => "never",
            LocalUrl::NotSet => "not set",
        };
        assert_eq!((said, host.net.urls().len()), (expected, probes), "{answers} {history:?}");
        let pauses = u64::try_from(probes).unwrap() - 1;
        assert_eq!(host.clock.monotonic(), seconds(pauses), "{answers}: 1 s between two probes");
    }
}

#[test]
fn what_failed_is_said_once() {
    let mut host = Host::new(|_, count| if count == 1 { Ok(500) } else { Err(refused()) });
    host.zone.0.insert("localhost.lan.test", "192.0.2.1");
    let LocalUrl::Fails(why) = host.local(History::Answered) else { panic!("it does not answer") };
    let expected = "http://localhost.lan.test/ failed 3 probes in a row: connection refused, \
                    then status 500, then connection refused";
    assert_eq!(why, expected);
}

#[test]
fn this_host_drops_itself() {
    let host = Host::new(|_, _| Ok(200));
    let listed = [
        "http://localhost:1/",
        "http://LOCALHOST./",
        "http://web1/",
        "http://Web1.Lan:80/",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://0.0.0.0/",
        "http://192.0.2.1/",
        "http://alias/",
        "http://both/",
        "http://127.0.0.2:1/",
        "http://192.0.2.3/",
        "http://web2/",
    ];
    let targets: Vec<Target> = listed.iter().map(|url| Target::new(url)).collect();
    let peers = host.prober().peers(&targets, PATIENCE).unwrap();
    let asked: Vec<&str> = peers.probes.iter().map(|probe| probe.url.as_str()).collect();
    assert_eq!(asked, ["http://127.0.0.2:1/", "http://192.0.2.3/", "http://web2/"]);
    assert_eq!((peers.own.len(), peers.healthy()), (10, 3));
    let by_address = |url: &str, address: &str| Own {
        url: url.into(),
        by: OwnBy::Address(address.parse().unwrap()),
    };
    assert_eq!(peers.own[2], Own { url: "http://web1/".into(), by: OwnBy::Name });
    assert_eq!(peers.own[8], by_address("http://alias/", "192.0.2.1"));
    assert_eq!(peers.own[9], by_address("http://both/", "2001:db8::1"));
}

#[test]
fn who_cannot_be_told_from_this_host_is_not_asked() {
    let mut host = Host::new(|_, _| Ok(200));
    host.identity.addresses = Err("no /proc".into());
    let peers = host.prober().peers(&[Target::new("http://web2/")], PATIENCE).unwrap();
    assert_eq!(peers.probes[0].verdict, Verdict::Unhealthy(Why::PerhapsOwn("no /proc".into())));
    assert_eq!(host.net.urls(), Vec::<String>::new());
}

#[test]
fn a_name_without_an_address_is_not_a_healthy_peer() {
    let host = Host::new(|_, _| Ok(200));
    for (url, cause) in [
        ("http://dead-dns/", NameError::Timeout(PATIENCE)),
        ("http://nobody/", NameError::Unknown("no such host".into())),
    ] {
        let probe = host.prober().probe(&Target::new(url), PATIENCE);
        assert_eq!(probe.verdict, Verdict::Unhealthy(Why::Name(cause)));
    }
    assert_eq!(host.net.urls(), Vec::<String>::new());
}

/// Names that take a while.
struct SlowNames<'a>(&'a FakeClock, Duration);

impl Names for SlowNames<'_> {
    fn addresses(&self, _: &str, _: Duration) -> Result<Vec<IpAddr>, NameError> {
        self.0.pass(self.1);
        Ok(vec!["192.0.2.2".parse().unwrap()])
    }
}

#[test]
fn look_up_and_request_share_one_deadline() {
    for (look_up, left) in [(3, Some(2)), (5, None), (6, None)] {
        let host = Host::new(|_, _| Ok(200));
        let names = SlowNames(&host.clock, Duration::from_secs(look_up));
        let prober = Prober { names: &names, ..host.prober() };
        let peers = prober.peers(&[Target::new("http://u:p@web2/")], PATIENCE).unwrap();
        let asked = host.net.asked.lock().unwrap();
        let timeouts: Vec<Duration> = asked.iter().map(|request| request.timeout).collect();
        let expected: Vec<Duration> = left.map(Duration::from_secs).into_iter().collect();
        assert_eq!(timeouts, expected, "after {look_up} s");
        assert_eq!(peers.healthy(), expected.len());
        assert_eq!(peers.probes[0].elapsed, Duration::from_secs(look_up));
        if let Some(request) = asked.first() {
            assert!(request.headers.contains(&("Authorization".into(), "Basic dTpw".into())));
            assert!(request.headers.contains(&("Connection".into(), "close".into())));
            assert_eq!(request.url, "http://web2/");
        }
    }
}

#[test]
fn peers_are_asked_side_by_side_and_told_in_order() {
    // Nobody is answered before as many are asking as may.
    let barrier = Barrier::new(super::peers::PARALLEL_MAX);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let host = Host::new(|_, _| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        barrier.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(200)
    });
    let urls = (0..super::peers::PARALLEL_MAX * 2).map(|n| format!("http://192.0.2.2:{n}/"));
    let urls: Vec<String> = urls.collect();
    let targets: Vec<Target> = urls.iter().map(|url| Target::new(url)).collect();
    let peers = host.prober().peers(&targets, PATIENCE).unwrap();
    let told: Vec<String> = peers.probes.iter().map(|probe| probe.url.clone()).collect();
    assert_eq!(told, urls);
    assert_eq!(peers.healthy(), urls.len());
    assert_eq!(most.load(Ordering::SeqCst), super::peers::PARALLEL_MAX);
}

#[test]
fn only_what_the_decision_takes_is_asked() {
    let up = || vec![Works::Yes];
    let gone = || vec![Works::No("exited".into())];
    let own = "http://192.0.2.1/";
    let peer = "http://web2/";
    for (works, local, bad, expected, asked) in [
        (up(), None, "", "open", vec![peer]),
        (up(), None, peer, "refused", vec![peer]),
        (up(), Some(own), "", "open", vec![own, peer]),
        (up(), Some(own), peer, "refused", vec![own, peer]),
        (up(), Some(own), own, "bypassed", vec![own, own, own]),
        (gone(), Some(own), "", "bypassed", vec![]),
        (gone(), None, peer, "bypassed", vec![]),
    ] {
        let host = Host::new(|request, _| if request.url == bad { Ok(503) } else { Ok(200) });
        let opinion = host.ask(&[peer, "http://localhost/"], local, &works);
        let said = match opinion.judgement {
            Judgement::Open => "open",
            Judgement::Bypassed { .. } => "bypassed",
            Judgement::Refused { .. } => "refused",
        };
        let case = format!("{works:?}, {local:?}, {bad:?} is bad");
        assert_eq!(
            (said, host.net.urls()),
            (expected, asked.iter().map(|s| (*s).to_owned()).collect()),
            "{case}"
        );
        assert_eq!(opinion.peers.is_some(), expected != "bypassed", "{case}");
    }
}

#[test]
fn without_a_quorum_nobody_is_asked() {
    let host = Host::new(|_, _| Ok(200));
    let targets = [Target::new("http://web2/")];
    let question = Question {
        required: 0,
        peers: &targets,
        local: Some(&targets[0]),
        history: History::NeverAnswered,
        stopping: &[],
        timeout: PATIENCE,
    };
    assert_eq!(host.prober().ask(&question).unwrap().judgement, Judgement::Open);
    assert_eq!(host.net.urls(), Vec::<String>::new());
}

#[test]
fn a_request_to_stop_is_no_evidence() {
    let stop = Cancel::default();
    let later = stop.clone();
    let mut host = Host::new(move |_, _| {
        later.set();
        Err(refused())
    });
    host.cancel = stop;
    let target = Target::new("http://192.0.2.2/");
    let local = host.prober().local(&target, History::Answered, PATIENCE);
    assert_eq!(local.unwrap_err().trouble, Trouble::Interrupted);
    assert_eq!(host.net.urls().len(), 1);
    let peers = host.prober().peers(&[target], PATIENCE);
    assert_eq!(peers.unwrap_err().trouble, Trouble::Interrupted);
    assert_eq!(host.net.urls().len(), 1);
}

#[test]
fn a_timeout_says_how_long_it_was() {
    let seconds = Duration::from_secs;
    for (look_up, spent, said) in [(0, 30, 30), (3, 27, 30), (0, 10, 10), (3, 10, 10)] {
        let host = Host::new(|_, _| Err(HttpError::Timeout(seconds(spent))));
        let names = SlowNames(&host.clock, seconds(look_up));
        let prober = Prober { names: &names, ..host.prober() };
        let probe = prober.probe(&Target::new("http://web2/"), seconds(30));
        assert_eq!(probe.verdict, Verdict::Unhealthy(Why::Timeout(seconds(said))), "{spent} s");
    }
}
