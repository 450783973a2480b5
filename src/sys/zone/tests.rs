//! The check on made-up hosts: a folder stands for the root of the file system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{ZoneError, check_below};

fn zone_file(footer: &str) -> Vec<u8> {
    let mut data = b"TZif2".to_vec();
    data.resize(44, 0);
    data.extend_from_slice(format!("\n{footer}\n").as_bytes());
    data
}

/// A host with Rome installed and, by name only, in force.
fn host() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let zones = root.path().join("usr/share/zoneinfo/Europe");
    fs::create_dir_all(&zones).expect("a folder");
    fs::create_dir_all(root.path().join("etc")).expect("a folder");
    fs::write(zones.join("Rome"), zone_file("CET-1CEST,M3.5.0,M10.5.0/3")).expect("a file");
    root
}

fn check(value: Option<&str>, root: &Path) -> String {
    match check_below(value.map(Into::into), root) {
        Ok(name) => name,
        Err(ZoneError::Unknown { .. }) => "unknown".to_owned(),
        Err(ZoneError::Missing { .. }) => "missing".to_owned(),
        Err(ZoneError::Unusable { .. }) => "unusable".to_owned(),
    }
}

#[test]
fn the_variable_wins_and_must_name_a_zone() {
    let root = host();
    fs::write(root.path().join("usr/share/zoneinfo/tab"), "text").expect("a file");
    fs::write(root.path().join("rome"), zone_file("CET-1")).expect("a file");
    let table = [
        (Some("Europe/Rome"), "Europe/Rome"),
        (Some(":Europe/Rome"), "Europe/Rome"),
        (Some("/rome"), "/rome"),
        (Some("EST5EDT,M3.2.0,M11.1.0"), "EST5EDT,M3.2.0,M11.1.0"),
        (Some("UTC"), "UTC"),
        (Some(""), "UTC"),
        (Some("Europe/Rom"), "unknown"),
        (Some("europe/rome"), "unknown"),
        (Some("Europe"), "unknown"),
        (Some(":EST5"), "unknown"),
        (Some("EST5EDT"), "unknown"),
        (Some("/nowhere"), "unknown"),
        (Some("tab"), "unusable"),
        (Some("localtime"), "UTC"),
        (None, "UTC"),
    ];
    for (value, expected) in table {
        assert_eq!(check(value, root.path()), expected, "TZ={value:?}");
    }
}

#[test]
fn a_link_to_nothing_is_not_utc() {
    let root = host();
    let link = root.path().join("etc/localtime");
    let zones = root.path().join("usr/share/zoneinfo/Europe");
    symlink("../usr/share/zoneinfo/Europe/Rome", &link).expect("a link");
    assert_eq!(check(None, root.path()), "Europe/Rome");
    fs::remove_file(zones.join("Rome")).expect("a file");
    let error = check_below(None, root.path()).expect_err("a link to nothing");
    assert!(error.to_string().contains("Europe/Rome"), "{error}");
    assert!(error.to_string().contains("tzdata"), "{error}");
}

#[test]
fn a_copied_file_goes_by_the_name_beside_it() {
    let root = host();
    fs::write(root.path().join("etc/localtime"), zone_file("CET-1")).expect("a file");
    assert_eq!(check(None, root.path()), "/etc/localtime");
    fs::write(root.path().join("etc/timezone"), "Europe/Rome\n").expect("a file");
    assert_eq!(check(None, root.path()), "Europe/Rome");
}

#[test]
fn without_a_link_the_name_counts() {
    let root = host();
    let named = root.path().join("etc/timezone");
    for (name, expected) in
        [("Europe/Rome", "Europe/Rome"), ("Etc/UTC", "UTC"), ("Europe/Paris", "missing")]
    {
        fs::write(&named, name).expect("a file");
        assert_eq!(check(None, root.path()), expected, "{name}");
    }
}

#[test]
fn data_without_a_rule_for_later_is_unusable() {
    let root = host();
    let link = root.path().join("etc/localtime");
    let mut old = zone_file("CET-1");
    old[4] = 0;
    let table = [zone_file(""), zone_file("nonsense"), old, b"TZif2".to_vec(), Vec::new()];
    for data in table {
        fs::write(&link, &data).expect("a file");
        assert_eq!(check(None, root.path()), "unusable", "{data:?}");
    }
}
