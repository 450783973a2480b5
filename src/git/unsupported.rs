//! What a target may ask of git that renew does not do: submodules and large file storage. Only says
//! so; it never fetches from another repository.

use crate::problem::Problem;

/// Something in a target whose content renew does not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsupported {
    /// The path of a submodule: its folder stays as it is.
    Submodule(String),
    /// The path of a file that is kept in large file storage: only its pointer comes.
    LargeFile(String),
}

impl Unsupported {
    /// What to tell a person.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Unsupported::Submodule(path) => Problem::setup(
                "unsupported_submodule",
                format!(
                    "{path} is a submodule, which renew does not bring, and the service uses it"
                ),
                "keep those files in this repository (`git subtree add` copies them), or outside of \
                 it; the last target without it stays in force",
            ),
            Unsupported::LargeFile(path) => Problem::setup(
                "unsupported_lfs",
                format!("{path} is kept in git LFS: renew would bring a pointer, not its content"),
                "take files that services use out of LFS (`git lfs migrate export`), or keep them \
                 outside of the repository; the last target without it stays in force",
            ),
        }
    }
}

/// A pointer is smaller than this (git-lfs, `docs/spec.md`).
pub const POINTER_BYTES_MAX: u64 = 1023;

/// Whether a file has a pointer to large file storage in the place of its content (git-lfs,
/// `docs/spec.md`: the version comes first).
#[must_use]
pub fn is_pointer(content: &[u8]) -> bool {
    content.starts_with(b"version https://git-lfs.github.com/spec/v1\n")
}

#[cfg(test)]
mod tests {
    use super::is_pointer;

    #[test]
    fn pointers_are_told_from_content() {
        let cases = [
            ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", true),
            ("version https://git-lfs.github.com/spec/v12\n", false),
            ("# version https://git-lfs.github.com/spec/v1\n", false),
            ("version: 1\n", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_pointer(text.as_bytes()), expected, "{text}");
        }
    }
}
