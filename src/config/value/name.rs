//! Names: of services, of compose projects, of compose services.

use std::fmt;

use crate::config::value::Problem;

/// Long enough for any name, short enough for a file name in the state directory.
const CHARS_MAX: usize = 128;

/// The name of an entry under `services`: unique in the file, and its key in the state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceName(String);

impl ServiceName {
    /// Checks a name: letters, digits, `.`, `_`, `-`, starting with a letter or digit, because it
    /// becomes a file name and a command line argument.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<ServiceName, Problem> {
        checked(text, "a name").map(|name| ServiceName(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Checks the name of a compose service.
///
/// # Errors
/// Any text that compose itself would not take (`^[a-zA-Z0-9._-]+$` in its schema).
pub fn compose_service(text: &str) -> Result<String, Problem> {
    match text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        true if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("{text:?} cannot be the name of a compose service").into()),
    }
}

/// Checks a compose profile by compose's own rule, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; `*` means all.
///
/// # Errors
/// Any other text.
pub fn profile(text: &str) -> Result<String, Problem> {
    if text == "*" { Ok(text.to_owned()) } else { checked(text, "a profile").map(str::to_owned) }
}

/// Checks a project name by compose's own rule.
///
/// # Errors
/// Anything but lower case letters, digits, `-` and `_`, starting with a letter or digit.
pub fn compose_project(text: &str) -> Result<String, Problem> {
    let normal = normalised_project(text);
    if !text.is_empty() && normal == text {
        return Ok(normal);
    }
    let message = format!("{text:?} is not a compose project name");
    let rule = "lower case letters, digits, \"-\" and \"_\", starting with a letter or digit";
    Err(match normal.is_empty() {
        true => Problem::new(message, rule),
        false => Problem::new(message, format!("{rule}, like {normal:?}")),
    })
}

/// What compose makes of a directory name when nobody names the project.
#[must_use]
pub fn normalised_project(directory: &str) -> String {
    let kept = directory.to_ascii_lowercase();
    let kept: String =
        kept.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

fn checked<'a>(text: &'a str, what: &str) -> Result<&'a str, Problem> {
    let rule = "letters, digits, \".\", \"_\" and \"-\", starting with a letter or digit";
    let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if text.len() > CHARS_MAX {
        Err(format!("{what} has at most {CHARS_MAX} characters").into())
    } else if allowed && starts_well {
        Ok(text)
    } else {
        Err(Problem::new(format!("{text:?} is not {what}"), rule))
    }
}

#[cfg(test)]
mod tests {
    use super::{ServiceName, compose_project, compose_service, normalised_project, profile};

    #[test]
    fn service_names() {
        for text in ["web", "Web.2_b-c", "0"] {
            assert_eq!(ServiceName::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "-web", ".", "..", ".web", "_web", "a/b", "a b", "wéb", &"x".repeat(129)]
        {
            assert!(ServiceName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn project_names_follow_compose() {
        for text in ["app", "0app", "a_b-c"] {
            assert_eq!(compose_project(text).unwrap(), text);
        }
        for text in ["", "App", "a.b", "-a", "_a", "a b"] {
            assert!(compose_project(text).is_err(), "{text:?}");
        }
        assert!(compose_project("My.App").unwrap_err().hint.unwrap().ends_with("\"myapp\""));
        assert_eq!(normalised_project("_My.App 2"), "myapp2");
    }

    #[test]
    fn compose_services_and_profiles() {
        assert!(compose_service("db-1.main_x").is_ok());
        assert!(compose_service("").is_err() && compose_service("a/b").is_err());
        assert!(profile("*").is_ok() && profile("prod").is_ok() && profile("-x").is_err());
    }
}
