//! Whether a service is ever due while one of its windows is open. Reads no clock: now is handed in.

use std::path::Path;

use chrono::{DateTime, TimeZone, Utc};

use crate::config::value::Problem;
use crate::config::{Diagnostic, Loaded, Subject};
use crate::decide::window::is_reached;

/// Warns about every service whose schedule never fires while one of its windows is open.
#[must_use]
pub fn missed_windows<Z: TimeZone>(
    loaded: &Loaded,
    file: &Path,
    now: DateTime<Utc>,
    zone: &Z,
) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for place in loaded.places.iter().filter(|place| place.subject == Subject::Windows) {
        let Some(service) = loaded.config.services.get(place.service) else { continue };
        if is_reached(&service.windows, &service.schedule, now, zone) {
            continue;
        }
        let message = format!("its schedule ({}) never fires in a window", service.schedule_text);
        let hint = "changes wait for a run inside a window: without one they wait for ever; widen \
                    the window or let the schedule fire in it";
        warnings.push(Diagnostic::of_place(file, place, Problem::new(message, hint)));
    }
    warnings
}
