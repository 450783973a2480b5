//! The engine tier: the real binary against a real engine, registry, compose and git. Every story
//! plays in a sandbox of its own; where something changes, the plan is checked against the sync.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test is not the product: it drives processes and clocks, and says no by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod concurrency;
mod config;
mod faults;
mod files;
mod gate;
mod heal;
mod image;
mod killed;
mod membership;
mod oneshot;
mod review;
mod rig;
mod scale;
mod stacks;
mod start;
mod traces;
mod trust;

use support::Sandbox;

/// The stack that most stories begin with.
const THREE: &str = "\
services:
  cache:
    image: IMAGES/cache:1
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
";

/// A sandbox in which [`THREE`] was pushed, but nothing runs yet.
fn three_pushed() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["cache:1", "db:1", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", THREE)], "Three services");
    Some(sandbox)
}

/// A sandbox in which renew runs [`THREE`] and found it settled.
fn three_running() -> Option<Sandbox> {
    let sandbox = three_pushed()?;
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}
