//! The stages that many stories begin on.

use crate::support::Sandbox;

/// The stack that most stories begin with.
pub const THREE: &str = "\
services:
  cache:
    image: IMAGES/cache:1
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
";

/// A sandbox in which [`THREE`] was pushed, but nothing runs yet.
pub fn three_pushed() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["cache:1", "db:1", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", THREE)], "Three services");
    Some(sandbox)
}

/// A sandbox in which renew runs [`THREE`] and found it settled.
pub fn three_running() -> Option<Sandbox> {
    let sandbox = three_pushed()?;
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

/// A stack whose `web` takes its full three seconds to stop, so that there is a middle to hit.
pub const SLOW: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    command: [\"/bin/sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 3s
";

/// A sandbox in which renew runs [`SLOW`]; `web:2` is in the registry.
pub fn slow_running() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "web:1", "web:2"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", SLOW)], "A slow web");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}
