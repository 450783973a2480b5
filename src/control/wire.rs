//! What goes over the wire: which request is which command, and how a reply looks as JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::http::Request;
use super::{Command, Refused, Reply};
use crate::problem::Problem;
use crate::state::history::Complaint;

/// An answer as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// What may be asked of a path instead.
    pub allow: Option<&'static str>,
    /// A JSON document, ended with a line feed.
    pub body: String,
}

#[derive(Serialize)]
struct Health {
    ok: bool,
    since: DateTime<Utc>,
    why: Option<String>,
}

#[derive(Serialize)]
struct Accepted {
    service: String,
    run: String,
}

#[derive(Serialize)]
struct Loaded {
    services: usize,
}

#[derive(Serialize)]
struct Errors {
    errors: Vec<Complaint>,
}

const ROUTES: &str = "GET /health, GET /status, POST /services/NAME/sync, POST /reload";

/// The command that a request is.
///
/// # Errors
/// The answer to one that is none.
pub fn command(request: &Request, now: DateTime<Utc>) -> Result<Command, Answer> {
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    let (method, command) = match parts.as_slice() {
        ["health"] => ("GET", Command::Health),
        ["status"] => ("GET", Command::Status),
        ["reload"] => ("POST", Command::Reload),
        ["services", name, "sync"] if !name.is_empty() => ("POST", Command::Sync((*name).into())),
        _ => {
            let message = format!("there is nothing at {}", request.path);
            return Err(refusal(404, &Problem::setup("not_found", message, ROUTES), now));
        }
    };
    if request.method != method {
        let message = format!("{} is not for {}", request.path, request.method);
        let problem = Problem::setup("method", message, format!("use {method}"));
        return Err(Answer { allow: Some(method), ..refusal(405, &problem, now) });
    }
    Ok(command)
}

/// The answer to a request that is none.
pub fn bad(status: u16, why: &str, now: DateTime<Utc>) -> Answer {
    refusal(status, &Problem::setup("bad_request", why, ROUTES), now)
}

/// A refusal for one reason that arose `now`.
pub fn refusal(status: u16, problem: &Problem, now: DateTime<Utc>) -> Answer {
    errors(status, std::slice::from_ref(problem), now)
}

/// The answer that a reply is.
pub fn answer(reply: Reply, now: DateTime<Utc>) -> Answer {
    match reply {
        Reply::Health { since, why } => {
            let status = if why.is_none() { 200 } else { 503 };
            document(status, &Health { ok: why.is_none(), since, why })
        }
        Reply::Document(body) => Answer { status: 200, allow: None, body },
        Reply::Accepted { service, run } => document(202, &Accepted { service, run }),
        Reply::Loaded { services } => document(200, &Loaded { services }),
        Reply::Refused(why, problems) => {
            let status = match why {
                Refused::Unknown => 404,
                Refused::Invalid => 422,
                Refused::Unavailable => 503,
            };
            errors(status, &problems, now)
        }
    }
}

fn errors(status: u16, problems: &[Problem], now: DateTime<Utc>) -> Answer {
    document(status, &Errors { errors: problems.iter().map(|p| Complaint::new(p, now)).collect() })
}

fn document(status: u16, document: &impl Serialize) -> Answer {
    let mut body = serde_json::to_string(document).unwrap_or_default();
    body.push('\n');
    Answer { status, allow: None, body }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{Answer, answer, command};
    use crate::control::http::Request;
    use crate::control::{Command, Refused, Reply};
    use crate::problem::Problem;

    fn asked(method: &str, path: &str) -> Result<Command, Answer> {
        let request = Request { method: method.to_owned(), path: path.to_owned() };
        command(&request, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn requests_are_commands() {
        for (method, path, expected) in [
            ("GET", "/health", Command::Health),
            ("GET", "/status", Command::Status),
            ("POST", "/reload", Command::Reload),
            ("POST", "/services/app/sync", Command::Sync("app".to_owned())),
        ] {
            assert_eq!(asked(method, path), Ok(expected), "{method} {path}");
        }
        for (method, path, status) in [
            ("GET", "/", 404),
            ("GET", "health", 404),
            ("GET", "/health/", 404),
            ("POST", "/services//sync", 404),
            ("POST", "/services/app/explode", 404),
            ("DELETE", "/health", 405),
            ("GET", "/services/app/sync", 405),
        ] {
            assert_eq!(asked(method, path).unwrap_err().status, status, "{method} {path}");
        }
        assert_eq!(asked("GET", "/reload").unwrap_err().allow, Some("POST"));
    }

    #[test]
    fn replies_are_answers() {
        let since = DateTime::UNIX_EPOCH;
        let why = Some("the main thread hangs".to_owned());
        let problem = Problem::setup("unknown_service", "there is no \"x\"", "say app");
        for (reply, status, body) in [
            (
                Reply::Health { since, why: None },
                200,
                r#"{"ok":true,"since":"1970-01-01T00:00:00Z","why":null}"#,
            ),
            (
                Reply::Health { since, why },
                503,
                r#"{"ok":false,"since":"1970-01-01T00:00:00Z","why":"the main thread hangs"}"#,
            ),
            (
                Reply::Accepted { service: "app".to_owned(), run: "1-2".to_owned() },
                202,
                r#"{"service":"app","run":"1-2"}"#,
            ),
            (Reply::Loaded { services: 3 }, 200, r#"{"services":3}"#),
            (
                Reply::Refused(Refused::Unknown, vec![problem]),
                404,
                r#"{"errors":[{"reason":"unknown_service","message":"there is no \"x\"","resolution":"say app","since":"1970-01-01T00:00:00Z"}]}"#,
            ),
        ] {
            let answer = answer(reply, since);
            assert_eq!((answer.status, answer.body.trim_end()), (status, body));
        }
    }
}
