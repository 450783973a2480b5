//! Look-ups that never end, that fail and that are too many; and what a host is called.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{BoundedNames, NameError, Names, names_of};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

fn address(text: &str) -> Vec<IpAddr> {
    vec![text.parse().unwrap()]
}

#[test]
fn an_address_is_its_own_answer() {
    let names = BoundedNames::new(|_| panic!("a resolver was asked for an address"), 1);
    for text in ["127.0.0.2", "::1", "2001:db8::1"] {
        assert_eq!(names.addresses(text, SHORT), Ok(address(text)));
    }
}

#[test]
fn the_system_knows_localhost_and_no_such_name() {
    let names = BoundedNames::system();
    let own = names.addresses("localhost", LONG).unwrap();
    assert!(own.iter().all(|address| address.is_loopback()), "{own:?}");
    let none = names.addresses("no such name", LONG);
    assert!(matches!(none, Err(NameError::Unknown(_))), "{none:?}");
}

#[test]
fn what_the_resolver_says_is_handed_on() {
    let names = BoundedNames::new(
        |name| match name {
            "a" => Ok(address("192.0.2.1")),
            "empty" => Ok(Vec::new()),
            "bad" => panic!("a resolver that breaks"),
            _ => Err(io::Error::other("no such host")),
        },
        1,
    );
    assert_eq!(names.addresses("a", LONG), Ok(address("192.0.2.1")));
    for (name, why) in
        [("b", "no such host"), ("empty", "no address"), ("bad", "without an answer")]
    {
        let Err(NameError::Unknown(said)) = names.addresses(name, LONG) else { panic!("{name}") };
        assert!(said.contains(why), "{name}: {said}");
    }
    assert_eq!(names.addresses("a", LONG), Ok(address("192.0.2.1")), "every slot came back");
}

#[test]
fn a_resolver_that_never_answers_costs_a_bounded_number_of_threads() {
    let (release, gate) = channel::<()>();
    let (gate, asked) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    let names = BoundedNames::new(
        move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = gate.lock().unwrap().recv();
            Ok(address("192.0.2.9"))
        },
        2,
    );
    for _ in 0..2 {
        assert_eq!(names.addresses("slow", SHORT), Err(NameError::Timeout(SHORT)));
    }
    assert_eq!(names.addresses("slow", SHORT), Err(NameError::Busy(2)));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the third was not asked for");
    drop(release);
    assert_eq!(names.addresses("slow", LONG), Ok(address("192.0.2.9")), "slots are freed");
}

#[test]
fn what_a_host_is_called() {
    let hosts = "127.0.0.1 localhost\n\
                 127.0.1.1 web1.lan web1 # web1.comment\n\
                 10.0.0.2 web2.lan web2\n\
                 10.0.0.3 web1.elsewhere\n";
    for (hostname, hosts, resolv_conf, expected) in [
        ("web1", "", "", "web1"),
        ("Web1.", "", "", "web1"),
        ("web1.example.org", "", "search other.org", "web1 web1.example.org"),
        ("web1", hosts, "", "web1 web1.lan"),
        ("web2", hosts, "", "web2 web2.lan"),
        ("web1", "", "nameserver ::1\nsearch a.org b.org\n", "web1 web1.a.org"),
        ("web1", "", "domain a.org.\n# search b.org", "web1 web1.a.org"),
        ("web1", "", "search .", "web1"),
        ("", hosts, "search a.org", ""),
    ] {
        let names = names_of(hostname, hosts, resolv_conf).join(" ");
        assert_eq!(names, expected, "{hostname:?} {resolv_conf:?}");
    }
}
