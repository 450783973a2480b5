//! Why a schedule was refused, and where in its text. Never the schedule itself.

use std::fmt;

/// A schedule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError {
    /// Byte offset into the text handed to `parse`; it may be the length of the text.
    pub offset: usize,
    /// What is wrong, naming the field and quoting the piece.
    pub message: String,
    /// What to write instead, where there is something to propose.
    pub hint: Option<String>,
}

impl ScheduleError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        ScheduleError { offset, message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        ScheduleError { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => write!(out, "{}; {hint}", self.message),
            None => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for ScheduleError {}
