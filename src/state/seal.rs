//! A seal on a JSON object: the SHA-256 of all the rest, as its first key. It tells a file that lost
//! or changed a byte, as cards and power cuts do, from what was written. It keeps nobody out.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// What stands before the hash, and after it.
const BEFORE: &[u8] = b"{\"seal\":\"";
const AFTER: &[u8] = b"\",";
const HASH_BYTES: usize = 64;

/// The same object with a seal. What is no object, or an empty one, stays as it is.
#[must_use]
pub fn seal(text: Vec<u8>) -> Vec<u8> {
    match text.strip_prefix(b"{") {
        Some(rest) if !rest.trim_ascii_start().starts_with(b"}") => {
            [BEFORE, hash(rest).as_bytes(), AFTER, rest].concat()
        }
        Some(_) | None => text,
    }
}

/// Whether what is sealed is as it was written. Without a seal nothing is known against it: an older
/// renew wrote it, or a person.
#[must_use]
pub fn holds(text: &[u8]) -> bool {
    let Some(sealed) = text.strip_prefix(BEFORE) else { return true };
    let Some((hex, rest)) = sealed.split_at_checked(HASH_BYTES) else { return false };
    rest.strip_prefix(AFTER).is_some_and(|rest| hash(rest).as_bytes() == hex)
}

fn hash(text: &[u8]) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{holds, seal};

    const TEXT: &str = "{\n  \"format\": 1,\n  \"commit\": \"9c\"\n}\n";

    #[test]
    fn a_sealed_object_is_an_object_with_one_more_key() {
        let sealed: Value = serde_json::from_slice(&seal(TEXT.into())).unwrap();
        let plain: Value = serde_json::from_str(TEXT).unwrap();
        assert_eq!(sealed["commit"], plain["commit"]);
        assert_eq!(sealed["seal"].as_str().unwrap().len(), 64);
        for text in ["{}", "{ }", "[1]", "", "null"] {
            assert_eq!(seal(text.into()), text.as_bytes(), "there is nothing to seal");
        }
    }

    #[test]
    fn every_byte_that_changes_or_is_lost_is_noticed() {
        let whole = seal(TEXT.into());
        assert!(holds(&whole) && holds(TEXT.as_bytes()), "as written, and without a seal");
        let plain: Value = serde_json::from_str(TEXT).unwrap();
        // In the words before the hash a change takes the seal off, and what is left is right or no JSON.
        let harmless = |text: &[u8]| match serde_json::from_slice::<Value>(text) {
            Ok(value) => value["commit"] == plain["commit"] && value["format"] == plain["format"],
            Err(_) => true,
        };
        for at in 0..whole.len() {
            for other in [0, b' ', b'"', b'0', b'x', whole[at] ^ 1, whole[at] ^ 0x80] {
                let mut changed = whole.clone();
                changed[at] = other;
                let same = other == whole[at];
                assert!(same || !holds(&changed) || at < 9 && harmless(&changed), "byte {at}");
            }
            assert!(!holds(&whole[..at]) || at < 9, "cut off at {at}");
        }
    }
}
