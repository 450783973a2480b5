//! A health address: what is sent to it and how it is shown. It never shows credentials or a query.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A health address that has been checked as such by whoever read it. One that is none after all
/// is simply never healthy.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: String,
    host: String,
    shown: String,
    authorization: Option<String>,
}

impl Target {
    /// Takes an address apart. `user:password@` in it is sent as Basic authorization (RFC 7617).
    #[must_use]
    pub fn new(url: &str) -> Target {
        let url = url.split('#').next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let shown = match tail.split_once('?') {
            Some((path, _)) => format!("{scheme}://{place}{path}?…"),
            None => format!("{scheme}://{place}{tail}"),
        };
        Target {
            url: format!("{scheme}://{place}{tail}"),
            host: host_of(place).trim_end_matches('.').to_ascii_lowercase(),
            shown,
            authorization: user.map(|user| format!("Basic {}", STANDARD.encode(unescape(user)))),
        }
    }

    /// The address for a request, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host, lower case, without brackets or a last dot.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The value of the `Authorization` header, if there is one to send.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

/// Fit to be shown to anybody: without credentials and query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The host of `host:port` or `[v6]:port`.
fn host_of(place: &str) -> &str {
    match place.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => place.split(':').next().unwrap_or_default(),
    }
}

/// Undoes percent-encoding; what is no such code stays.
fn unescape(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                plain.push(byte);
                rest = &after[2..];
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn taken_apart() {
        for (text, url, host, shown) in [
            ("http://a:1/health", "http://a:1/health", "a", "http://a:1/health"),
            ("https://Web-1.Lan./x", "https://Web-1.Lan./x", "web-1.lan", "https://Web-1.Lan./x"),
            ("http://[::1]:8080", "http://[::1]:8080", "::1", "http://[::1]:8080"),
            ("http://127.0.0.2", "http://127.0.0.2", "127.0.0.2", "http://127.0.0.2"),
            ("http://u:p@a/h?t=1#f", "http://a/h?t=1", "a", "http://a/h?…"),
            ("http://a?x@y", "http://a?x@y", "a", "http://a?…"),
            ("http://u:p/@a", "http://u:p/@a", "u", "http://u:p/@a"),
            ("a:1/h", "http://a:1/h", "a", "http://a:1/h"),
            ("", "http://", "", "http://"),
        ] {
            let target = Target::new(text);
            assert_eq!((target.url(), target.host()), (url, host), "{text}");
            assert_eq!((target.to_string(), format!("{target:?}")), (shown.into(), shown.into()));
        }
    }

    #[test]
    fn credentials_are_sent_and_never_shown() {
        for (user, header) in [
            ("Aladdin:open%20sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("a:100%", "Basic YToxMDAl"),
            ("a:%+1", "Basic YTolKzE="),
            ("a%40b:c@d", "Basic YUBiOmNAZA=="),
        ] {
            let target = Target::new(&format!("https://{user}@h/health"));
            assert_eq!(target.authorization(), Some(header), "{user}");
            assert_eq!(format!("{target} {target:?}"), "https://h/health https://h/health");
        }
        assert_eq!(Target::new("http://h/").authorization(), None);
    }
}
