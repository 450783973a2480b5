//! The kinds of text a configuration holds, one file each: text in, validated value or a problem
//! out. Nothing here knows the file, the machine or another field.

pub mod choice;
pub mod duration;
pub mod git;
pub mod glob;
pub mod name;
pub mod path;
pub mod size;
pub mod url;
pub mod window;

use crate::sys::trust::Distrust;

/// What is wrong with a value, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the text, in bytes, if it is not the text as a whole.
    pub within: Option<usize>,
}

impl Problem {
    /// A problem with a way out.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { message: message.into(), hint: Some(hint.into()), within: None }
    }
}

impl From<Distrust> for Problem {
    fn from(distrust: Distrust) -> Problem {
        Problem { message: distrust.why, hint: distrust.mend, within: None }
    }
}

impl From<&str> for Problem {
    fn from(message: &str) -> Problem {
        Problem { message: message.to_owned(), hint: None, within: None }
    }
}

impl From<String> for Problem {
    fn from(message: String) -> Problem {
        Problem { message, hint: None, within: None }
    }
}

/// Fails on what no text of a configuration may hold: nothing at all, and control characters.
///
/// # Errors
/// Empty text, or a control character in it.
pub fn plain(text: &str) -> Result<&str, Problem> {
    if text.is_empty() {
        Err(Problem::new("is empty", "leave the key out if it is not needed"))
    } else if text.chars().any(char::is_control) {
        Err("holds a control character".into())
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn plain_text_is_neither_empty_nor_binary() {
        assert_eq!(plain("ok"), Ok("ok"));
        assert!(plain("").is_err());
        assert!(plain("a\u{7}b").is_err());
        assert!(plain("a\nb").is_err());
    }
}
