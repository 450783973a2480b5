//! Host name patterns: `*` stands for any characters, `?` for one. Letter case does not matter, as
//! in host names.

use crate::config::value::Problem;

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGlob(String);

impl HostGlob {
    /// Checks a pattern.
    ///
    /// # Errors
    /// Any character that is neither one of host names nor `*` nor `?`.
    pub fn parse(text: &str) -> Result<HostGlob, Problem> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_*?".contains(&b);
        if text.is_empty() || !text.bytes().all(allowed) {
            let hint = "letters, digits, \".\", \"-\", \"_\", and \"*\" or \"?\" as wildcards";
            return Err(Problem::new(format!("{text:?} is not a host name pattern"), hint));
        }
        Ok(HostGlob(text.to_ascii_lowercase()))
    }

    /// Whether the pattern is the name of one host.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// The pattern, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a host of this name is meant. Linear in practice, quadratic at worst.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let (pattern, host) = (self.0.as_bytes(), host.to_ascii_lowercase());
        let host = host.as_bytes();
        let (mut p, mut h) = (0, 0);
        // Where to go on when the last star has to take one character more.
        let mut retry: Option<(usize, usize)> = None;
        while h < host.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    retry = Some((p + 1, h));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == host[h] => {
                    p += 1;
                    h += 1;
                }
                _ => match retry {
                    None => return false,
                    Some((after_star, taken)) => {
                        p = after_star;
                        h = taken + 1;
                        retry = Some((after_star, taken + 1));
                    }
                },
            }
        }
        pattern[p..].iter().all(|&c| c == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::HostGlob;

    #[test]
    fn patterns() {
        for (pattern, host, expected) in [
            ("web1", "web1", true),
            ("web1", "WEB1", true),
            ("Web1", "web1", true),
            ("web1", "web10", false),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("web*", "web", true),
            ("*.example.org", "a.b.example.org", true),
            ("*.example.org", "example.org", false),
            ("*a*b", "xaxxbab", true),
            ("*a*b", "xaxxba", false),
            ("*", "", true),
        ] {
            assert_eq!(
                HostGlob::parse(pattern).unwrap().matches(host),
                expected,
                "{pattern} {host}"
            );
        }
        for pattern in ["", "a b", "!web1", "[ab]", "a/b"] {
            assert!(HostGlob::parse(pattern).is_err(), "{pattern:?}");
        }
    }
}
