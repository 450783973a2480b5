//! Addresses that renew itself asks over HTTP, and the loopback rule for plain http. A url may
//! hold credentials: neither messages nor `Debug` repeat it whole.

use std::fmt;
use std::net::IpAddr;

use crate::config::value::{Problem, plain};

/// A checked `http://` or `https://` address.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    host: String,
}

impl HttpUrl {
    /// Checks an address. The message never repeats it.
    ///
    /// # Errors
    /// Another scheme, no host, a bad port, blanks or control characters.
    pub fn parse(text: &str) -> Result<HttpUrl, Problem> {
        let forms = "write http://host:port/path or https://host/path";
        plain(text)?;
        if text.chars().any(char::is_whitespace) {
            return Err(Problem::new("holds a blank", forms));
        }
        let rest = match text.split_once("://") {
            Some(("http" | "https", rest)) => rest,
            _ => return Err(Problem::new("is not an http or https address", forms)),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        if host.is_empty() {
            return Err(Problem::new("names no host", forms));
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(Problem::new("has a port that is not a number below 65536", forms));
        }
        Ok(HttpUrl { text: text.to_owned(), host: host.to_ascii_lowercase() })
    }

    /// The same, but plain http only to this host itself.
    ///
    /// # Errors
    /// As [`HttpUrl::parse`], and plain http to another host.
    pub fn parse_confidential(text: &str) -> Result<HttpUrl, Problem> {
        let url = HttpUrl::parse(text)?;
        if url.text.starts_with("http://") && !url.is_loopback() {
            return Err(Problem::new("plain http leaves this host", "use https://"));
        }
        Ok(url)
    }

    /// The whole address, for the request itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, lower case, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is this host by its very name: `localhost`, 127.0.0.0/8 or `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Scheme and host only: path, query and user may hold a token.
impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let scheme = self.text.split(':').next().unwrap_or_default();
        write!(f, "{scheme}://{}/…", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::HttpUrl;

    #[test]
    fn the_host_is_found() {
        for (text, host, loopback) in [
            ("http://localhost:8080/health", "localhost", true),
            ("https://Node-2.example.org", "node-2.example.org", false),
            ("http://127.0.0.2:1/", "127.0.0.2", true),
            ("http://[::1]:8080/x", "::1", true),
            ("https://u:p@h.example?q", "h.example", false),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!((url.host(), url.is_loopback()), (host, loopback), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "localhost:80",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://h:99999/",
            "http://h:/",
            "http://a b/",
            "http://h/\n",
            "http://:80/",
        ] {
            assert!(HttpUrl::parse(text).is_err(), "{text:?}");
        }
        assert!(HttpUrl::parse_confidential("http://example.org/hook").is_err());
        assert!(HttpUrl::parse_confidential("http://127.0.0.1/hook").is_ok());
        assert!(HttpUrl::parse_confidential("https://example.org/hook").is_ok());
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = HttpUrl::parse("https://user:hunter2@h.example/token?x=1").unwrap();
        assert_eq!(format!("{url:?}"), "https://h.example/…");
    }
}
