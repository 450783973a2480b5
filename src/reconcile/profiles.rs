//! Whether a stack can have compose services that are not in its model, because their profile is not
//! active. Only says when compose need not be asked: in doubt it is.

use std::path::PathBuf;

/// What must be in some compose file of a stack before a service can be missing from its model: a
/// profile, or another file that may have one. A backslash could spell either of them otherwise.
const SIGNS: &[&[u8]] = &[b"profiles", b"include", b"extends", b"\\"];

/// Whether compose has to be asked for the services of inactive profiles: unless all of these files
/// can be read and none shows a sign of any.
#[must_use]
pub fn may_hide_services(files: &[PathBuf]) -> bool {
    !files.iter().all(|file| std::fs::read(file).is_ok_and(|text| shows_all(&text)))
}

fn shows_all(text: &[u8]) -> bool {
    // YAML may be UTF-16, which has zeros in every name that we look for.
    let has = |sign: &&[u8]| text.windows(sign.len()).any(|part| part == *sign);
    !text.contains(&0) && !SIGNS.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::shows_all;

    #[test]
    fn compose_is_asked_where_a_profile_may_be() {
        let utf16: Vec<u8> = "\u{feff}profiles".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (text, expected) in [
            ("services: {web: {image: a}}", true),
            ("services: {web: {image: a, profiles: [debug]}}", false),
            ("services:\n  web:\n    ? \"profiles\"\n    : [debug]", false),
            ("services: {web: {\"prof\\u0069les\": [debug]}}", false),
            ("include: [other.yml]", false),
            ("services: {web: {extends: {file: other.yml, service: web}}}", false),
            ("", true),
        ] {
            assert_eq!(shows_all(text.as_bytes()), expected, "{text}");
        }
        assert!(!shows_all(&utf16));
    }
}
