//! `renew history`: what runs changed or tried to, as it was written down. Asks nobody.

use std::path::Path;

use serde::Serialize;

use super::render::WIDTH;
use super::stored;
use super::sync::EXIT_SETUP;
use super::table::Table;
use super::text::one_line;
use super::when::minute;
use crate::decide::plan::BACK;
use crate::gather::sort_by_key;
use crate::problem::Problem;
use crate::reconcile::short;
use crate::state::history::{Done, Entry, Told};

/// How much of a message the table has.
const MESSAGE_CHARS_MAX: usize = 90;

#[derive(Serialize)]
struct Document {
    services: Vec<ServicePart>,
    errors: Vec<Told>,
}

#[derive(Serialize)]
struct ServicePart {
    name: String,
    entries: Vec<Entry>,
}

/// Runs the command and returns the exit code. `path` is the configuration file, if there is one.
pub fn run(path: Option<&Path>, names: &[String], json: bool) -> u8 {
    let (services, problems) = read(path, names);
    if json {
        let errors: Vec<Told> = problems.iter().map(Told::from).collect();
        let code = if errors.is_empty() { 0 } else { EXIT_SETUP };
        return stored::print_json(&Document { services, errors }, code);
    }
    let entries: usize = services.iter().map(|service| service.entries.len()).sum();
    let text = match entries {
        0 if problems.is_empty() => "nothing was changed yet\n".to_owned(),
        0 => String::new(),
        _ => table(&services),
    };
    stored::print_text(&text, problems)
}

fn read(path: Option<&Path>, names: &[String]) -> (Vec<ServicePart>, Vec<Problem>) {
    let stored = match stored::load(path) {
        Ok(stored) => stored,
        Err(problems) => return (Vec::new(), problems),
    };
    let mut problems = stored.broken.clone();
    let found = stored.named(names).and_then(|services| Ok((services, stored.state()?)));
    let (services, state) = match found {
        Ok(found) => found,
        Err(problem) => {
            problems.push(problem);
            return (Vec::new(), problems);
        }
    };
    let mut parts = Vec::new();
    for service in services {
        let name = service.name.to_string();
        match state.history(&name) {
            Ok(history) => parts.push(ServicePart { name, entries: history.entries.into() }),
            Err(problem) => problems.push(problem),
        }
    }
    (parts, problems)
}

/// All services together, the newest last.
fn table(services: &[ServicePart]) -> String {
    let mut rows: Vec<(&str, &Entry)> = Vec::new();
    for service in services {
        rows.extend(service.entries.iter().map(|entry| (service.name.as_str(), entry)));
    }
    sort_by_key(&mut rows, |(_, entry)| entry.last_at);
    let mut table = Table::new(&["SERVICE", "ID", "WHEN", "COMMIT", "WHAT", "RESULT"]);
    for (name, entry) in rows {
        let mut what: Vec<String> = entry.actions.iter().map(action).collect();
        what.extend(entry.error.as_ref().map(|error| short_of(&error.message)));
        if entry.times > 1 {
            what.push(format!("{} times, last {}", entry.times, minute(entry.last_at)));
        }
        table.row(&[
            name,
            &entry.id.to_string(),
            &minute(entry.at),
            short(&entry.commit),
            &what.join("\n"),
            &entry.result,
        ]);
    }
    table.render(WIDTH)
}

/// The beginning of a message, for a column of a table; `renew why` has all of it.
fn short_of(message: &str) -> String {
    let line = one_line(message);
    match line.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// What was done to one compose service, in short.
fn action(done: &Done) -> String {
    let (action, who, reason) = (&done.action, &done.compose_service, &done.reason);
    one_line(&match images(done) {
        Some(images) => format!("{action} {who}: {images}"),
        None => format!("{action} {who}: {reason}"),
    })
}

/// From which image to which, if it is another one.
pub fn images(done: &Done) -> Option<String> {
    let image = &done.image;
    let declared = image.declared.as_deref()?;
    match (&image.before, &image.running, &image.now) {
        (Some(before), _, _) if before != declared => Some(format!("{before} -> {declared}")),
        (_, Some(running), Some(now)) if running != now => {
            let back = done.detail.starts_with(BACK);
            Some(if back { format!("back to {declared}") } else { format!("{declared} moved") })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::images;
    use crate::decide::plan::BACK;
    use crate::state::history::{Done, Images};

    #[test]
    fn an_image_is_another_one_or_moved_or_came_back() {
        let some = |text: &str| Some(text.to_owned());
        let told = |before: &str, now: &str, detail: &str| {
            let (before, declared) = (some(before), some("web:2"));
            let image = Images { before, declared, running: some("a"), now: some(now) };
            let (project, compose_service) = ("shop".to_owned(), "web".to_owned());
            let (action, reason) = ("recreate".to_owned(), "image".to_owned());
            let detail = detail.to_owned();
            let down_ms = None;
            images(&Done { project, compose_service, action, reason, detail, image, down_ms })
        };
        assert_eq!(told("web:1", "b", ""), some("web:1 -> web:2"));
        assert_eq!(told("web:2", "b", "another"), some("web:2 moved"));
        assert_eq!(told("web:2", "b", &format!("{BACK}; held")), some("back to web:2"));
        assert_eq!(told("web:2", "a", ""), None);
    }
}
