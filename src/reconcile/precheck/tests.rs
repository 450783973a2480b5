//! What is known without asking anybody.

use super::{leaves_false_out, runs};
use crate::docker::engine::Platform;

#[test]
fn which_compose_leaves_false_out() {
    for (version, older) in
        [("2.26.1", true), ("2.26.1-4", true), ("2.27.0", false), ("2.40.3", false), ("", false)]
    {
        assert_eq!(leaves_false_out(version), older, "{version}");
    }
}

#[test]
fn which_images_run() {
    for (machine, made_for, runs_here) in [
        ("x86_64", "amd64", true),
        ("x86_64", "386", true),
        ("x86_64", "", true),
        ("x86_64", "no-such-processor", false),
        ("aarch64", "arm", true),
        ("armv7l", "arm", true),
        ("armv7l", "no-such-processor", false),
    ] {
        let platform = Platform::from_machine("linux", machine);
        assert_eq!(runs(&platform, made_for), runs_here, "{machine} {made_for}");
    }
}
