//! The check of the host's time zone against what chrono really does with the same `TZ`: what
//! passes the check is the zone that was asked for, and what chrono silently turns into UTC does
//! not pass. Each value is tried in a process of its own, because `TZ` belongs to the process.

use chrono::{DateTime, Local, Offset, TimeZone};
use renew::sys::zone;

const MARK: &str = "the zone here:";

/// Prints what this process makes of its `TZ`; the other test runs it.
#[test]
fn says_its_zone() {
    let offset = |text: &str| {
        let at: DateTime<chrono::Utc> = text.parse().expect("a time");
        Local.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc() / 60
    };
    let verdict = match zone::check() {
        Ok(_) => "good",
        Err(_) => "bad",
    };
    let (january, july) = (offset("2040-01-15T12:00:00Z"), offset("2040-07-15T12:00:00Z"));
    println!("{MARK} {verdict} {january} {july}");
}

#[expect(clippy::disallowed_methods, reason = "this very test binary, with another TZ")]
fn ask_with(value: &str) -> String {
    let program = std::env::current_exe().expect("this binary");
    let output = std::process::Command::new(program)
        .args(["--exact", "host_zone::says_its_zone", "--nocapture"])
        .env("TZ", value)
        .output()
        .expect("this binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().find_map(|line| line.split_once(MARK).map(|(_, said)| said));
    said.unwrap_or_else(|| panic!("TZ={value} said nothing: {text}")).trim().to_owned()
}

#[test]
fn the_check_agrees_with_chrono() {
    let table = [
        ("UTC", "good 0 0"),
        ("", "good 0 0"),
        ("EST5EDT,M3.2.0,M11.1.0", "good -300 -240"),
        ("<+0330>-3:30", "good 210 210"),
        ("Nowhere/Town", "bad"),
        ("Bogus", "bad"),
        ("EST5EDT,M3.2.0", "bad"),
        ("EST5EDT,M13.2.0,M11.1.0", "bad"),
        (":EST5", "bad"),
    ];
    for (value, expected) in table {
        // What chrono falls back to is UTC or this machine's own zone, so only the verdict counts.
        let said = ask_with(value);
        assert!(
            said == expected || (expected == "bad" && said.starts_with("bad ")),
            "TZ={value}: {said}"
        );
    }
    if std::path::Path::new("/usr/share/zoneinfo/Europe/Rome").exists() {
        assert_eq!(ask_with("Europe/Rome"), "good 60 120");
        assert_eq!(ask_with(":Europe/Rome"), "good 60 120");
        assert_eq!(ask_with("/usr/share/zoneinfo/Europe/Rome"), "good 60 120");
        assert!(ask_with("Europe/Rom").starts_with("bad "));
    }
}
