//! Text that others wrote (git, compose, registries, commit subjects), made fit to be printed. It
//! changes how a text looks, never what it says.

/// Control characters and characters that reverse the reading direction as escapes: printed text
/// must not forge lines or drive the terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// The lines of a text that say something, each fit to be printed.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).map(|line| {
        let unfolded = line.replace('\t', " ");
        one_line(&unfolded)
    })
}

#[cfg(test)]
mod tests {
    use super::{lines, one_line};

    #[test]
    fn control_characters_cannot_forge_a_line() {
        assert_eq!(one_line("a\nb\u{1b}[31mc"), "a\\nb\\u{1b}[31mc");
        assert_eq!(one_line("plain ünïcode \u{202e}x"), "plain ünïcode \\u{202e}x");
    }

    #[test]
    fn a_complaint_of_many_lines_keeps_those_that_say_something() {
        let complaint = "fatal: a\r\n\n\tgit config\nb\u{7}\n";
        assert_eq!(lines(complaint).collect::<Vec<_>>(), ["fatal: a", " git config", "b\\u{7}"]);
    }
}
