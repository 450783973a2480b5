//! Env files the way compose reads them (compose-go `dotenv/parser.go`): which names they set, on
//! which line, and to what. Expands nothing, and stops where compose would refuse the file.

/// One name that an env file sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name.
    pub key: String,
    /// The line it stands on, from 1.
    pub line: usize,
    /// What it is set to, without quotes and with nothing expanded; empty for a name alone.
    pub value: String,
}

/// Everything that an env file sets, in its order.
#[must_use]
pub fn assignments(text: &str) -> Vec<Assignment> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut reader = Reader { rest: &text, line: 1 };
    let mut found = Vec::new();
    while let Some(assignment) = reader.next() {
        found.push(assignment);
    }
    found
}

/// What is not read yet, and where it begins.
struct Reader<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<Assignment> {
        self.skip_to_statement()?;
        let line = self.line;
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        let (key, alone) = (self.rest[..end].trim(), !self.rest[end..].starts_with(['=', ':']));
        let named = |c: char| c.is_alphanumeric() || "_.-[]".contains(c);
        if !key.chars().all(named) {
            return None;
        }
        self.advance((end + 1).min(self.rest.len()));
        let quote = if alone { None } else { self.quote() };
        let value = match quote {
            _ if alone => String::new(),
            None => self.unquoted().to_owned(),
            Some(quote) => self.quoted(quote)?,
        };
        Some(Assignment { key: key.to_owned(), line, value })
    }

    /// Goes to the next name, past blank lines, comments and `export`.
    fn skip_to_statement(&mut self) -> Option<()> {
        loop {
            self.skip(char::is_whitespace);
            if !self.rest.starts_with('#') {
                break;
            }
            self.skip(|c| c != '\n');
        }
        let exported = self.rest.strip_prefix("export");
        if exported.is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
            self.advance("export".len());
            self.skip(char::is_whitespace);
        }
        (!self.rest.is_empty()).then_some(())
    }

    fn quote(&mut self) -> Option<char> {
        self.skip(|c| c.is_whitespace() && c != '\n');
        self.rest.chars().next().filter(|first| matches!(first, '"' | '\''))
    }

    /// To the end of the line, without a comment.
    fn unquoted(&mut self) -> &'t str {
        let line = self.rest.split('\n').next().unwrap_or_default();
        self.advance(line.len());
        line.split(" #").next().unwrap_or_default().trim()
    }

    /// To the closing quote, on whatever line; a backslash keeps it from closing.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut value = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            if c == quote && !escaped {
                self.advance(at + 1);
                return Some(value);
            }
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && c != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(c);
        }
        None
    }

    fn skip(&mut self, what: impl Fn(char) -> bool) {
        self.advance(self.rest.find(|c| !what(c)).unwrap_or(self.rest.len()));
    }

    fn advance(&mut self, bytes: usize) {
        let (read, rest) = self.rest.split_at(bytes);
        self.line += read.matches('\n').count();
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::assignments;

    /// `line key=value` of everything a text sets.
    fn read(text: &str) -> Vec<String> {
        let all = assignments(text);
        all.iter().map(|one| format!("{} {}={}", one.line, one.key, one.value)).collect()
    }

    #[test]
    fn names_are_found_as_compose_finds_them() {
        for (text, expected) in [
            ("A=1\n\nB = two words \n", &["1 A=1", "3 B=two words"][..]),
            ("# A=1\n  # B=2\n\tC=3", &["3 C=3"]),
            (
                "export A=1\nexport\tB=2\nexportC=3\nexport\nD=4",
                &["1 A=1", "2 B=2", "3 exportC=3", "5 D=4"],
            ),
            ("A: yaml\nB:2\n", &["1 A=yaml", "2 B=2"]),
            ("A=x # why\nB=x#y\n", &["1 A=x", "2 B=x#y"]),
            ("A=1\r\nB='2'\r\n", &["1 A=1", "2 B=2"]),
            ("\u{feff}A=1\n", &["1 A=1"]),
            ("A\nB=\nC", &["1 A=", "2 B=", "3 C="]),
            ("A=\"one\nCOMPOSE_FILE=no\"\nB=2", &["1 A=one\nCOMPOSE_FILE=no", "3 B=2"]),
            ("A='one\nB=no'\nC=3", &["1 A=one\nB=no", "3 C=3"]),
            ("A=\"a\\\"b\" B=2\nC='it\\'s' # c\n", &["1 A=a\"b", "1 B=2", "2 C=it's"]),
            ("A=\"a\\nb\\\\\"\nB=2", &["1 A=a\\nb\\\\", "2 B=2"]),
            ("A=it's \"x\"\nB=2", &["1 A=it's \"x\"", "2 B=2"]),
            // What compose refuses ends it.
            ("A=1\nB+C=2\nD=3", &["1 A=1"]),
            ("A=1\ntwo words=2\nD=3", &["1 A=1"]),
            ("A=1\nB=\"open\nC=3", &["1 A=1"]),
            ("", &[]),
            ("\n \n#", &[]),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
