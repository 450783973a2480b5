//! What is wrong with a configuration and where: collected by offset, reported by line and column.
//! It never holds a secret: values of credentials are not repeated in messages.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Place;
use crate::config::value::Problem;

/// Past this many, more errors help nobody; it bounds the work on a hostile file.
const FINDINGS_MAX: usize = 1_000;

/// One error or warning in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// The file, as it was named by the caller.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Key path such as `services[0].schedule`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether line and column mean anything; people are not shown a place that does not.
    #[serde(skip)]
    pub extent: Extent,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// A place in the text.
    Place,
    /// The file as a whole, which may not even be there.
    File,
}

impl Diagnostic {
    /// A finding about the file as a whole.
    #[must_use]
    pub fn of_file(file: &Path, problem: Problem) -> Diagnostic {
        Diagnostic {
            file: file.to_path_buf(),
            line: 1,
            column: 1,
            path: String::new(),
            message: problem.message,
            hint: problem.hint,
            extent: Extent::File,
        }
    }

    /// A finding where the text speaks of something outside it.
    #[must_use]
    pub fn of_place(file: &Path, place: &Place, problem: Problem) -> Diagnostic {
        Diagnostic {
            line: place.line,
            column: place.column,
            path: place.path.clone(),
            extent: Extent::Place,
            ..Diagnostic::of_file(file, problem)
        }
    }

    /// All but the hint, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let mut text = self.file.display().to_string();
        if self.extent == Extent::Place {
            text.push_str(&format!(":{}:{}", self.line, self.column));
        }
        // Some messages begin with the path: what is said to programs must say it all.
        let said = !self.path.is_empty() && self.message.starts_with(&format!("\"{}\"", self.path));
        if !self.path.is_empty() && !said {
            text.push_str(&format!(": {}", self.path));
        }
        format!("{text}: {}", self.message)
    }
}

/// `file:line:col: path: message`, and the hint on a line of its own.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.headline())?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A finding that is not yet turned into line and column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    offset: usize,
    path: String,
    problem: Problem,
}

/// Collects all that is found in one pass.
#[derive(Debug, Default)]
pub struct Sink {
    /// What makes the configuration unusable.
    errors: Vec<Finding>,
    /// What works but should be looked at.
    warnings: Vec<Finding>,
}

impl Sink {
    /// Notes an error at a byte offset.
    pub fn error(&mut self, offset: usize, path: impl Into<String>, problem: impl Into<Problem>) {
        if !self.is_full() {
            self.errors.push(Finding { offset, path: path.into(), problem: problem.into() });
        }
    }

    /// Notes a warning at a byte offset.
    pub fn warning(&mut self, offset: usize, path: impl Into<String>, problem: impl Into<Problem>) {
        if self.warnings.len() < FINDINGS_MAX {
            self.warnings.push(Finding { offset, path: path.into(), problem: problem.into() });
        }
    }

    /// Whether further errors would only be dropped.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.errors.len() >= FINDINGS_MAX
    }

    /// Errors and warnings with their places, each in the order of the file and said once: a value
    /// under `defaults` is read again for every service.
    #[must_use]
    pub fn finish(self, file: &Path, source: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (place(self.errors, file, source), place(self.warnings, file, source))
    }
}

fn place(mut findings: Vec<Finding>, file: &Path, source: &str) -> Vec<Diagnostic> {
    findings.sort();
    findings.dedup();
    let mut lines = Lines::new(source);
    let placed = findings.into_iter().map(|finding| {
        let (line, column) = lines.at(finding.offset);
        Diagnostic {
            file: file.to_path_buf(),
            line,
            column,
            path: finding.path,
            message: finding.problem.message,
            hint: finding.problem.hint,
            extent: Extent::Place,
        }
    });
    placed.collect()
}

/// Turns ascending byte offsets into lines and columns in one pass over the text.
#[derive(Debug)]
pub struct Lines<'a> {
    source: &'a str,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'a> Lines<'a> {
    /// Starts at the first character.
    #[must_use]
    pub fn new(source: &'a str) -> Lines<'a> {
        Lines { source, offset: 0, line: 1, column: 1 }
    }

    /// Line and column (in characters) of a byte offset; offsets must not go backwards.
    pub fn at(&mut self, offset: usize) -> (usize, usize) {
        let end = offset.clamp(self.offset, self.source.len());
        for character in self.source.get(self.offset..end).unwrap_or_default().chars() {
            if character == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset = end;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Diagnostic, Lines, Sink};

    #[test]
    fn columns_are_characters() {
        let mut lines = Lines::new("aé\nü\"x");
        assert_eq!(lines.at(0), (1, 1));
        assert_eq!(lines.at(3), (1, 3));
        assert_eq!(lines.at(4), (2, 1));
        assert_eq!(lines.at(6), (2, 2));
        assert_eq!(lines.at(900), (2, 4));
    }

    #[test]
    fn a_file_as_a_whole_has_no_place() {
        let whole = Diagnostic::of_file(Path::new("/x/renew.json"), "does not exist".into());
        assert_eq!(whole.to_string(), "/x/renew.json: does not exist");
        assert_eq!((whole.line, whole.column), (1, 1), "for programs");
    }

    #[test]
    fn a_path_is_not_said_twice() {
        let mut sink = Sink::default();
        sink.warning(0, "a.b", "\"a.b\" is not acted on");
        sink.warning(0, "a.b", "is odd");
        let (_, warnings) = sink.finish(Path::new("f"), "{}");
        let shown: Vec<String> = warnings.iter().map(Diagnostic::headline).collect();
        assert_eq!(shown, ["f:1:1: \"a.b\" is not acted on", "f:1:1: a.b: is odd"]);
    }

    #[test]
    fn findings_come_in_the_order_of_the_file_and_once() {
        let mut sink = Sink::default();
        sink.error(4, "b", "later");
        sink.error(0, "a", "first");
        sink.error(4, "b", "later");
        let (errors, warnings) = sink.finish(Path::new("renew.json"), "{\n  \n}");
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["renew.json:1:1: a: first", "renew.json:2:3: b: later"]);
        assert!(warnings.is_empty());
    }
}
