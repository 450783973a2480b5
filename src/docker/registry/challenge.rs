//! `WWW-Authenticate`: how a registry says what it wants to see. It only reads; whom to believe is
//! decided elsewhere.

use std::collections::BTreeMap;

use crate::sys::http::Head;

/// What a registry wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from another place.
    Bearer {
        /// The URL of that place.
        realm: String,
        /// What the token is for.
        service: Option<String>,
        /// What it shall permit.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge in the head of a 401: a bearer token if that is offered.
    pub(super) fn in_head(head: &Head) -> Option<Challenge> {
        let offered: Vec<Challenge> =
            head.all("www-authenticate").filter_map(Challenge::parse).collect();
        let bearer = offered.iter().find(|one| matches!(one, Challenge::Bearer { .. }));
        bearer.or(offered.first()).cloned()
    }

    fn parse(text: &str) -> Option<Challenge> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut named = parameters(rest);
        Some(Challenge::Bearer {
            realm: named.remove("realm")?,
            service: named.remove("service"),
            scope: named.remove("scope"),
        })
    }
}

/// `name="value", name=value`: a comma inside quotes belongs to the value, as in a scope.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.insert(name, value.trim().to_owned());
        rest = left;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Challenge;
    use crate::sys::http::Head;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn challenges() {
        for (lines, wanted) in [
            (vec![r#"Basic realm="x""#], Some(Challenge::Basic)),
            (vec!["basic"], Some(Challenge::Basic)),
            (
                vec![r#"Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push""#],
                bearer("https://a/t", Some("s"), Some("repository:a/b:pull,push")),
            ),
            (
                vec![r#"Bearer  scope=x , service=s,realm="https://a/t?x=y""#],
                bearer("https://a/t?x=y", Some("s"), Some("x")),
            ),
            (vec!["Negotiate", "Basic", r#"bearer realm="r""#], bearer("r", None, None)),
            (vec![r#"Bearer service="s""#], None),
            (vec![r#"Bearer realm="unclosed"#], bearer("unclosed", None, None)),
            (vec!["Digest x=1"], None),
            (vec![""], None),
            (vec![], None),
        ] {
            let headers =
                lines.iter().map(|line| ("www-authenticate".to_owned(), (*line).to_owned()));
            let head = Head { status: 401, headers: headers.collect() };
            assert_eq!(Challenge::in_head(&head), wanted, "{lines:?}");
        }
    }
}
