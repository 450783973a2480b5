//! What is known without asking anybody.

use super::paths::needs_the_source;
use super::runs;
use crate::docker::engine::Platform;

#[test]
fn where_a_bind_without_options_needs_its_source() {
    for (version, older) in
        [("2.26.1", true), ("2.26.1-4", true), ("2.27.0", false), ("2.40.3", false), ("", false)]
    {
        assert_eq!(needs_the_source(version), older, "{version}");
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
