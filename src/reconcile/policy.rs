//! What the configuration allows for one compose service, in the planner's words.

use crate::config::{ImageCheck, Reason, Service};
use crate::decide::plan::Policy;

/// Which drift of a compose service leads to a change.
#[must_use]
pub fn of(service: &Service, compose_service: &str) -> Policy {
    let effective = service.for_compose_service(compose_service);
    Policy {
        on_image: effective.recreate_on.contains(Reason::Image),
        on_config: effective.recreate_on.contains(Reason::Config),
        on_files: effective.recreate_on.contains(Reason::Files),
    }
}

/// Where the meaning of a moving tag is looked up.
#[must_use]
pub fn image_check(service: &Service, compose_service: &str) -> ImageCheck {
    service.for_compose_service(compose_service).image_check
}
