//! Variables that nothing defines, out of compose's warnings. What an env file refers to is never
//! named: a `$` in a password makes a variable of the rest of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::stack::Stacks;
use super::todo::{Key, key, makes};
use crate::decide::plan::{Action, Desired, Memory, is_change};
use crate::problem::Problem;

/// What is not made because the compose files use a variable that nothing sets.
pub struct Unset {
    /// The variables, and the way out.
    pub problem: Problem,
    /// Whose change it is.
    pub refused: BTreeSet<Key>,
}

/// A variable that nothing defines is harmless in what runs already and comes back as it was, and a
/// mistake in a change.
#[must_use]
pub fn refuse(
    stacks: &Stacks,
    desired: &Desired,
    memory: &Memory,
    actions: &[Action],
) -> Option<Unset> {
    let unset = stacks.unset_variables();
    let brings = |action: &&Action| {
        let past = memory.projects.get(&action.project);
        let past = past.and_then(|past| past.services.get(&action.compose_service));
        let declared = desired.of(&action.project, &action.compose_service);
        let other = past.zip(declared).is_some_and(|(past, now)| past.definition != now.definition);
        makes(action) && (other || is_change(action, desired, memory))
    };
    let of_project = |action: &&Action| unset.contains_key(action.project.as_str());
    let refused: Vec<&Action> = actions.iter().filter(of_project).filter(brings).collect();
    let names = unset.get(refused.first()?.project.as_str())?.join(", ");
    let problem = Problem::setup(
        "unset_variable",
        format!("the compose files use {names}, which nothing sets"),
        "set it in `.env` or env_file, or give it a default (`${NAME:-value}`); a `$` that is \
         meant stands in single quotes in an env file",
    );
    Some(Unset { problem, refused: refused.into_iter().map(key).collect() })
}

/// The variables that compose set to a blank, or where they stand.
#[must_use]
pub fn unset_variables(complaint: &str, env_files: &[(PathBuf, String)]) -> Vec<String> {
    let mut standing = Vec::new();
    for (path, text) in env_files {
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("a variable in line {number} of {}", path.display());
            standing.extend(references(line).map(|name| (name, place.clone())));
        }
    }
    let told = |name: String| {
        let place = standing.iter().find(|(other, _)| *other == name);
        place.map_or(name, |(_, place)| place.clone())
    };
    let names: BTreeSet<String> = complaint
        .lines()
        .filter(|line| line.contains("variable is not set"))
        .filter_map(|line| {
            let (_, rest) = line.split_once("The ")?;
            let (name, _) = rest.split_once(" variable")?;
            Some(told(name.trim_matches(|c| c == '"' || c == '\\').to_owned()))
        })
        .collect();
    names.into_iter().collect()
}

/// The names behind `$` and `${`, quoted or not: rather one too many than a part of a password.
fn references(line: &str) -> impl Iterator<Item = String> {
    let name = |after: &str| -> String {
        let after = after.strip_prefix('{').unwrap_or(after);
        after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    line.split('$').skip(1).map(name)
}

#[cfg(test)]
mod tests {
    use super::unset_variables;

    #[test]
    fn unset_variables_are_named_once() {
        let text = "time=\"2026-01-01T00:00:00Z\" level=warning msg=\"The \\\"TOKEN\\\" variable is \
                    not set. Defaulting to a blank string.\"\n\
                    time=\"x\" level=warning msg=\"The \\\"TOKEN\\\" variable is not set.\"\n\
                    level=warning msg=\"version is obsolete\"";
        assert_eq!(unset_variables(text, &[]), ["TOKEN"]);
        assert!(unset_variables("", &[]).is_empty());
    }

    #[test]
    fn the_rest_of_a_password_is_no_name() {
        let text = "msg=\"The \\\"horse\\\" variable is not set.\"\nmsg=\"The \\\"TAG\\\" variable is \
                    not set.\"";
        let env = [("/app.env".into(), "A=1\nPASSWORD=correct$horse\n".to_owned())];
        assert_eq!(unset_variables(text, &env), ["TAG", "a variable in line 2 of /app.env"]);
    }
}
