//! One point of the kill matrix: on which path, at which effect, before or after it, and who dies. It
//! has a name, with which it can be played again.

use std::fmt;
use std::str::FromStr;

/// A choice with a name for each of its cases.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $case:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$about])* $case,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$case),*];

            /// Its name in a point.
            pub fn word(self) -> &'static str {
                match self { $($name::$case => $word,)* }
            }
        }
    };
}

named! {
    /// What a run is doing when it is killed.
    Route {
        /// A push: another image, another definition and another mounted file.
        Change = "change",
        /// The env file has other content: everything is made anew.
        Rotation = "rotation",
        /// A push that goes bad and is undone.
        Undo = "undo",
        /// One container was removed and one has stopped.
        Heal = "heal",
    }
}

named! {
    /// The system calls with which a process changes something that outlives it. What is said to the
    /// engine is counted at the socket, and the signals to children that have ended are none.
    Call {
        Write = "write",
        Rename = "rename",
        Unlink = "unlink",
        UnlinkAt = "unlinkat",
        Mkdir = "mkdir",
        Link = "link",
        Symlink = "symlink",
        Chmod = "chmod",
        Sync = "fsync",
        Lock = "flock",
        Spawn = "clone3",
    }
}

named! {
    /// The git commands that change the repository.
    Verb {
        Fetch = "fetch",
        Checkout = "checkout",
        UpdateIndex = "update-index",
        UpdateRef = "update-ref",
    }
}

/// What is counted, and struck at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The git processes that renew starts.
    Git,
    /// One kind of system call within one kind of git command.
    Inside(Verb, Call),
    /// The compose processes that renew starts.
    Compose,
    /// The scripts of the repository.
    Script,
    /// What renew and compose ask the engine to change.
    Engine,
    /// One kind of system call of renew itself.
    Call(Call),
}

named! {
    /// On which side of the effect.
    Moment {
        /// It does not happen, unless whoever makes it lives on.
        Before = "before",
        /// It has happened; nobody was told.
        After = "after",
    }
}

named! {
    /// Who gets SIGKILL, or what else happens.
    Victim {
        /// renew alone; what it started goes on.
        Renew = "renew",
        /// renew and everything it started, as when systemd ends a unit, or the power goes.
        All = "all",
        /// Only what it started.
        Child = "child",
        /// Nobody; but renew is told to end (SIGTERM).
        Told = "told",
        /// Nobody; but the call fails, as it does on a bad disk (EIO).
        Error = "error",
        /// Nobody; but the engine cannot be reached from then on, until the run has ended.
        Link = "link",
    }
}

/// A point of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub route: Route,
    pub source: Source,
    /// The how manieth effect of its source, from 1.
    pub nth: usize,
    pub moment: Moment,
    pub victim: Victim,
}

impl Source {
    /// All of them.
    pub fn all() -> Vec<Source> {
        // Within git the calls that name what they change; what goes on in a pipe is no effect.
        let in_git = [Call::Write, Call::Rename, Call::Unlink, Call::Mkdir, Call::Link];
        let inside =
            Verb::ALL.iter().flat_map(|verb| in_git.map(|call| Source::Inside(*verb, call)));
        let calls = Call::ALL.iter().map(|call| Source::Call(*call));
        let others = [Source::Git, Source::Compose, Source::Script, Source::Engine];
        others.into_iter().chain(inside).chain(calls).collect()
    }

    /// Its kind, as the table of all points has it.
    pub fn kind(self) -> &'static str {
        match self {
            Source::Git => "git processes",
            Source::Inside(..) => "system calls of git",
            Source::Compose => "compose processes",
            Source::Script => "scripts",
            Source::Engine => "requests to the engine",
            Source::Call(_) => "system calls of renew",
        }
    }

    /// What can be done at each of its effects. What was done inside a process is seen before its
    /// next effect; and when a child has ended, nobody but renew is left to be killed.
    pub fn blows(self) -> &'static [(Moment, Victim)] {
        use Moment::{After, Before};
        use Victim::{All, Child, Error, Link, Renew, Told};
        match self {
            Source::Call(_) => &[(Before, Renew), (Before, Error)],
            Source::Inside(..) => &[(Before, All), (Before, Child)],
            Source::Git | Source::Script => {
                &[(Before, Renew), (Before, Child), (Before, Told), (After, Renew), (After, Child)]
            }
            Source::Compose => &[
                (Before, Renew),
                (Before, All),
                (Before, Child),
                (Before, Told),
                (After, Renew),
                (After, Child),
            ],
            Source::Engine => &[
                (Before, Renew),
                (Before, All),
                (Before, Child),
                (Before, Told),
                (Before, Link),
                (After, Renew),
                (After, All),
                (After, Child),
                (After, Link),
            ],
        }
    }

    fn parse(word: &str) -> Option<Source> {
        Source::all().into_iter().find(|source| source.to_string() == word)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Git => out.write_str("git"),
            Source::Inside(verb, call) => write!(out, "{}.{}", verb.word(), call.word()),
            Source::Compose => out.write_str("compose"),
            Source::Script => out.write_str("script"),
            Source::Engine => out.write_str("engine"),
            Source::Call(call) => write!(out, "call.{}", call.word()),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Point { route, source, nth, moment, victim } = self;
        write!(out, "{}:{source}:{nth}:{}:{}", route.word(), moment.word(), victim.word())
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Point, String> {
        let wrong = || format!("{text} is no point such as change:engine:3:before:all");
        let [route, source, nth, moment, victim] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        Ok(Point {
            route: find(Route::ALL, Route::word, route).ok_or_else(wrong)?,
            source: Source::parse(source).ok_or_else(wrong)?,
            nth: nth.parse().map_err(|_| wrong())?,
            moment: find(Moment::ALL, Moment::word, moment).ok_or_else(wrong)?,
            victim: find(Victim::ALL, Victim::word, victim).ok_or_else(wrong)?,
        })
    }
}

fn find<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str, wanted: &str) -> Option<T> {
    all.iter().copied().find(|one| word(*one) == wanted)
}
