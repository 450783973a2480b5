//! Content digests. Only `sha256:` and 64 lower-case hex digits: nothing else is ever one.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// `sha256:` and 64 lower-case hex digits: of a manifest, an index, a layer or an image config.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Reads a digest; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Digest> {
        let hex = text.strip_prefix("sha256:")?;
        is_hex64(hex).then(|| Digest(text.to_owned()))
    }

    /// The digest of some bytes.
    #[must_use]
    pub fn of(content: &[u8]) -> Digest {
        let mut text = String::from("sha256:");
        for byte in Sha256::digest(content) {
            text.push_str(&format!("{byte:02x}"));
        }
        Digest(text)
    }

    /// With its `sha256:`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 hex digits, as docker shows them.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether this is 64 lower-case hex digits.
pub(super) fn is_hex64(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn only_sha256() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(Digest::parse(&good).unwrap().as_str(), good);
        assert_eq!(Digest::parse(&good).unwrap().short(), "0a0a0a0a0a0a");
        for bad in [
            String::new(),
            "sha256:".to_owned(),
            "0a".repeat(32),
            format!("sha256:{}", "0A".repeat(32)),
            format!("sha256:{}", "0a".repeat(31)),
            format!("sha512:{}", "0a".repeat(32)),
            format!("sha256:{}\n", "0a".repeat(32)),
        ] {
            assert_eq!(Digest::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn of_nothing() {
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), known);
    }
}
