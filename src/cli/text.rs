//! Text that others wrote (git, compose, registries, commit subjects), made fit to be printed. It
//! changes how a text looks, never what it says.

use super::render::WIDTH;
use super::table::wrap;

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

/// A line as several that fit, those after the first indented a little more.
#[must_use]
pub fn folded(line: &str) -> Vec<String> {
    let words = line.trim_start();
    let indent = " ".repeat(line.len() - words.len());
    let wrapped = wrap(&one_line(words), WIDTH - indent.len() - 2);
    let lead = |index: usize| if index == 0 { "" } else { "  " };
    wrapped.iter().enumerate().map(|(i, part)| format!("{indent}{}{part}", lead(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::{folded, lines, one_line};

    #[test]
    fn a_long_line_is_folded_and_its_indent_kept() {
        let line = format!("  a {}", "word ".repeat(18).trim_end());
        let folded = folded(&line);
        assert_eq!(folded.len(), 2);
        assert!(folded[0].starts_with("  a word") && folded[1].starts_with("    word"));
        assert!(folded.iter().all(|part| part.len() <= 80), "{folded:?}");
    }

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
