//! What went wrong, in the four parts every surface shows: a stable key, what happened, what to do
//! about it, and what kind of trouble it is. Decides no exit code and prints nothing.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A failure that a person can act on. It is as wide as a pointer, since half of all results carry one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

/// The parts of a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Stable machine key, such as `git_fetch` or `image_not_found`.
    pub reason: Cow<'static, str>,
    /// What failed, on what, and why.
    pub message: String,
    /// What to do about it.
    pub resolution: String,
    /// What kind of trouble it is.
    pub trouble: Trouble,
}

/// The kinds of trouble that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Configuration, git, an env file, or a compose file that does not resolve.
    Setup,
    /// The engine or compose: pull, up, verify.
    Engine,
    /// Refused until something else is true.
    Refused,
    /// Somebody else works on the same service.
    Busy,
    /// We were asked to stop.
    Interrupted,
}

impl Problem {
    /// A problem of the given kind.
    pub fn new(
        trouble: Trouble,
        reason: &'static str,
        message: impl Into<String>,
        resolution: impl Into<String>,
    ) -> Problem {
        Problem::of(Parts {
            reason: Cow::Borrowed(reason),
            message: message.into(),
            resolution: resolution.into(),
            trouble,
        })
    }

    /// A problem of the given parts, such as one that was kept.
    #[must_use]
    #[cold]
    #[inline(never)]
    pub fn of(parts: Parts) -> Problem {
        Problem(Box::new(parts))
    }

    /// The same trouble with another message.
    #[must_use]
    pub fn saying(mut self, message: String) -> Problem {
        self.message = message;
        self
    }

    /// The same trouble with another way out.
    #[must_use]
    pub fn mended_by(mut self, resolution: String) -> Problem {
        self.resolution = resolution;
        self
    }

    /// The parts, to be kept one by one.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        *self.0
    }

    /// A [`Trouble::Setup`] problem.
    pub fn setup(
        reason: &'static str,
        message: impl Into<String>,
        resolution: impl Into<String>,
    ) -> Problem {
        Problem::new(Trouble::Setup, reason, message, resolution)
    }

    /// A [`Trouble::Engine`] problem.
    pub fn engine(
        reason: &'static str,
        message: impl Into<String>,
        resolution: impl Into<String>,
    ) -> Problem {
        Problem::new(Trouble::Engine, reason, message, resolution)
    }

    /// The answer to a request to stop.
    #[must_use]
    pub fn interrupted() -> Problem {
        Problem::new(
            Trouble::Interrupted,
            "interrupted",
            "stopped on request before the end",
            "run it again: the next run takes up what is left",
        )
    }
}

impl Deref for Problem {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.resolution.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.resolution)
    }
}

impl std::error::Error for Problem {}
