//! Closed choices: each is one enum that owns its words, so that the parser, the schema and the
//! documentation cannot disagree.

use crate::config::value::Problem;
use crate::nearest::nearest;

/// An enum whose every variant has one word in the configuration file.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word of this choice.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// Finds the choice of a word.
            ///
            /// # Errors
            /// Any other word, with the known ones.
            pub fn parse(word: &str) -> Result<$name, Problem> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(unknown(word, $name::WORDS)),
                }
            }
        }
    };
}

choices! {
    /// How log lines look.
    LogFormat {
        /// For people and the journal.
        #[default]
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

choices! {
    /// Whether a service is changed or only looked at.
    Mode {
        /// Converge.
        #[default]
        Apply = "apply",
        /// Plan and notify, change nothing.
        Observe = "observe",
    }
}

choices! {
    /// What is started again when it does not run.
    Heal {
        /// Whatever should run.
        #[default]
        All = "all",
        /// Only what ended by itself; what a person stopped stays stopped.
        Crashed = "crashed",
        /// Nothing.
        None = "none",
    }
}

choices! {
    /// Where the digest behind a tag is looked up.
    ImageCheck {
        /// In the registry.
        #[default]
        Registry = "registry",
        /// Among the images on this host only.
        Local = "local",
    }
}

choices! {
    /// What happens to a change that failed.
    OnFailure {
        /// The previous good release is put back.
        #[default]
        Rollback = "rollback",
        /// It stays: roll forward only.
        Keep = "keep",
    }
}

choices! {
    /// A kind of drift that may lead to a recreate.
    Reason {
        /// The image behind the declared reference is another one.
        #[default]
        Image = "image",
        /// The resolved definition changed.
        Config = "config",
        /// A mounted file from the repository changed.
        Files = "files",
        /// The container reports itself unhealthy.
        Unhealthy = "unhealthy",
    }
}

choices! {
    /// What a notification can be about.
    NotifyOn {
        /// A change was applied.
        #[default]
        Changed = "changed",
        /// A run failed.
        Failed = "failed",
        /// A change was undone.
        RolledBack = "rolled_back",
        /// The gate or the lease said no.
        Refused = "refused",
        /// A target is not tried again.
        Quarantined = "quarantined",
        /// A change waits for its window.
        Deferred = "deferred",
        /// A failure is over.
        Recovered = "recovered",
        /// Nothing could be fetched for long.
        Stale = "stale",
        /// Less than the disk floor is free.
        DiskLow = "disk_low",
        /// renew.json does not load.
        ConfigRejected = "config_rejected",
    }
}

/// Which kinds of drift lead to a recreate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecreateOn(u8);

impl RecreateOn {
    /// Whether this drift leads to a recreate.
    #[must_use]
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & (1 << reason as u8) != 0
    }

    /// The same set with `reason` in it.
    #[must_use]
    pub fn with(self, reason: Reason) -> RecreateOn {
        RecreateOn(self.0 | (1 << reason as u8))
    }
}

impl FromIterator<Reason> for RecreateOn {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> RecreateOn {
        reasons.into_iter().fold(RecreateOn::default(), RecreateOn::with)
    }
}

/// The signals a file change may send, without `SIG`: those a program can choose to handle.
pub const SIGNALS: &[&str] =
    &["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CONT", "URG", "IO", "PWR"];

/// What a changed mounted file leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FilesAction {
    /// The container is recreated.
    #[default]
    Recreate,
    /// The container gets this signal, named without `SIG`.
    Signal(String),
    /// Nothing; the program reads the file by itself.
    Nothing,
}

impl FilesAction {
    /// Parses `recreate`, `none` or `signal:NAME`.
    ///
    /// # Errors
    /// Any other word, or a signal that is not in [`SIGNALS`].
    pub fn parse(word: &str) -> Result<FilesAction, Problem> {
        match (word, word.strip_prefix("signal:")) {
            ("recreate", _) => Ok(FilesAction::Recreate),
            ("none", _) => Ok(FilesAction::Nothing),
            (_, Some(signal)) if SIGNALS.contains(&signal) => {
                Ok(FilesAction::Signal(signal.to_owned()))
            }
            (_, Some(signal)) => Err(unknown(signal, SIGNALS)),
            _ => Err(unknown(word, &["recreate", "none", "signal:HUP"])),
        }
    }
}

fn unknown(word: &str, known: &[&str]) -> Problem {
    let bare = word.to_ascii_lowercase();
    let upper = word.trim_start_matches("SIG").to_ascii_uppercase();
    let meant = known.iter().copied().find(|k| *k == bare || *k == upper);
    let hint = match meant.or_else(|| nearest(word, known.iter().copied())) {
        Some(near) => format!("did you mean {near:?}? Known: {}", known.join(", ")),
        None => format!("known: {}", known.join(", ")),
    };
    Problem::new(format!("{word:?} is not a choice here"), hint)
}

#[cfg(test)]
mod tests {
    use super::{FilesAction, Mode, Reason, RecreateOn};

    #[test]
    fn words_and_choices_are_one_to_one() {
        for word in Mode::WORDS {
            assert_eq!(Mode::parse(word).unwrap().word(), *word);
        }
        let problem = Mode::parse("Observe").unwrap_err();
        assert!(problem.hint.unwrap().starts_with("did you mean \"observe\"?"));
    }

    #[test]
    fn a_set_of_reasons_holds_what_was_put_in() {
        let set: RecreateOn = [Reason::Image, Reason::Unhealthy].into_iter().collect();
        assert!(set.contains(Reason::Image) && set.contains(Reason::Unhealthy));
        assert!(!set.contains(Reason::Config) && !set.contains(Reason::Files));
    }

    #[test]
    fn file_actions() {
        assert_eq!(FilesAction::parse("recreate"), Ok(FilesAction::Recreate));
        assert_eq!(FilesAction::parse("none"), Ok(FilesAction::Nothing));
        assert_eq!(FilesAction::parse("signal:HUP"), Ok(FilesAction::Signal("HUP".to_owned())));
        for (word, hint) in
            [("signal:SIGHUP", "\"HUP\""), ("signal:hup", "\"HUP\""), ("nothing", "")]
        {
            let problem = FilesAction::parse(word).unwrap_err();
            assert!(problem.hint.unwrap().contains(hint), "{word}");
        }
    }
}
