//! Compose and the engine put values into their complaints: of env files, of environments. Here they
//! are taken out again. It never guesses: it hides the values it was given.

use super::dotenv::assignments;
use crate::gather::sort_by_key;

/// Shorter values would hide ordinary words and numbers.
const CHARS_MIN: usize = 4;
/// No name of a variable is longer; a line of a key or certificate is.
const NAME_CHARS_MAX: usize = 40;

/// Values that must not be said.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Adds what others hide.
    pub fn join(&mut self, others: Secrets) {
        self.0.extend(others.0);
    }

    /// Adds one value.
    pub fn add(&mut self, value: &str) {
        if value.chars().count() < CHARS_MIN {
            return;
        }
        self.0.push(value.to_owned());
        // Compose and the engine quote as Go's `%q` does.
        let quoted = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\t', r"\t");
        if quoted != value {
            self.0.push(quoted);
        }
    }

    /// Adds the values of an env file, whatever its syntax: what compose takes for them, what follows
    /// a name and `=`, and every line without one.
    pub fn add_env_file(&mut self, text: &str) {
        for assignment in assignments(text) {
            self.add(&assignment.value);
            assignment.value.lines().for_each(|line| self.add(line.trim()));
        }
        for line in text.lines().map(str::trim) {
            let (name, value) = line.split_once('=').unwrap_or_default();
            let name = name.trim().trim_start_matches("export ");
            let named = !name.is_empty()
                && name.len() <= NAME_CHARS_MAX
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.- ".contains(c));
            let value = if named { value.trim() } else { line };
            self.add(value.trim_matches(|c| c == '"' || c == '\''));
            self.add(value);
        }
    }

    /// The text with `***` in the place of every value, the longest first.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut values: Vec<&String> = self.0.iter().collect();
        sort_by_key(&mut values, |value| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn values_are_hidden_and_words_are_not() {
        let mut secrets = Secrets::default();
        secrets.add_env_file(
            "# a comment\nTOKEN=hunter2\nexport A='quoted word'\nYAML: style-value\n\
             NOTED=with-a-note # a note\nOPEN=\"half\nON=1\n\
             KEY=\"-----BEGIN\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA==\n\"\nhunter2-and-more=x",
        );
        for (text, expected) in [
            ("Invalid hostPort: hunter2", "Invalid hostPort: ***"),
            ("invalid boolean: quoted word", "invalid boolean: ***"),
            ("Invalid hostPort: style-value", "Invalid hostPort: ***"),
            ("Invalid hostPort: with-a-note", "Invalid hostPort: ***"),
            ("unterminated quoted value \"half", "unterminated quoted value ***"),
            ("near MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA==\\n", "near ***\\n"),
            ("1 of 2 containers", "1 of 2 containers"),
        ] {
            assert_eq!(secrets.hide(text), expected);
        }
        let mut nested = Secrets::default();
        nested.add("secret");
        nested.add("secret-and-more");
        assert_eq!(nested.hide("a secret-and-more"), "a ***");
        let mut strange = Secrets::default();
        strange.add_env_file("not a name \"open\\sesame\"\n");
        assert_eq!(strange.hide(r#"in "not a name \"open\\sesame\"""#), "in \"***\"");
    }
}
