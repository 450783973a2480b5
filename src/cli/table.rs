//! A table of text columns that fits a given width. It knows neither colour nor terminal.

/// Blanks between columns.
const GAP: usize = 2;
/// A column is not squeezed below this many characters.
const COLUMN_CHARS_MIN: usize = 8;

/// Rows under a line of headings. A column that has to shrink wraps its cells.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|&text| text.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row. Missing cells stay empty, surplus ones are dropped; a newline in a cell begins
    /// a new line of that cell.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) -> &mut Table {
        let cells = cells.iter().map(|cell| cell.as_ref().to_owned());
        let padded = cells.chain(std::iter::repeat(String::new()));
        self.rows.push(padded.take(self.head.len()).collect());
        self
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines of at most `width` characters, unless that would squeeze a column to
    /// nothing. No line ends with a blank.
    #[must_use]
    pub fn render(&self, width: usize) -> String {
        let widths = self.widths(width);
        let mut text = String::new();
        for row in std::iter::once(&self.head).chain(&self.rows) {
            let cells: Vec<Vec<String>> =
                row.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(0);
            for line in 0..height {
                let mut shown = String::new();
                for (cell, width) in cells.iter().zip(&widths) {
                    let part = cell.get(line).map_or("", String::as_str);
                    shown.push_str(part);
                    let pad = (width + GAP).saturating_sub(part.chars().count());
                    shown.extend(std::iter::repeat_n(' ', pad));
                }
                text.push_str(shown.trim_end());
                text.push('\n');
            }
        }
        text
    }

    /// Natural widths; while their sum is too large the widest column gives one character.
    fn widths(&self, width: usize) -> Vec<usize> {
        let rows = || std::iter::once(&self.head).chain(&self.rows);
        let lines = |cell: &String| cell.lines().map(|line| line.chars().count()).max();
        let widest = |column| rows().filter_map(|row| row.get(column).and_then(lines)).max();
        let mut widths: Vec<usize> =
            (0..self.head.len()).map(|column| widest(column).unwrap_or(0)).collect();
        let room = width.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let Some(most) = widths.iter_mut().max() else { break };
            if *most <= COLUMN_CHARS_MIN {
                break;
            }
            *most -= 1;
        }
        widths
    }
}

/// Breaks text into lines of at most `width` characters, at blanks where there are any, else behind a
/// `_`, `/` or `-`. Every newline stays one.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let used = line.chars().count();
            if used > 0 && used + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            } else if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
            while line.chars().count() > width {
                let at = line.char_indices().nth(width).map_or(line.len(), |(at, _)| at);
                let joint = line[..at].rfind(['_', '/', '-']).map_or(at, |joint| joint + 1);
                let at = if joint * 2 > at { joint } else { at };
                let rest = line.split_off(at);
                lines.push(std::mem::replace(&mut line, rest));
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Table, wrap};

    #[test]
    fn columns_line_up_and_lines_end_clean() {
        let mut table = Table::new(&["name", "n"]);
        table.row(&["a", "1"]).row(&["längst", ""]).row(&["x\ny", "2", "surplus"]);
        assert_eq!(table.render(80), "name    n\na       1\nlängst\nx       2\ny\n");
        assert!(!table.is_empty() && Table::new(&["a"]).is_empty());
    }

    #[test]
    fn a_wide_column_wraps_into_the_width() {
        let mut table = Table::new(&["service", "files"]);
        table.row(&["web", &"compose.yml ".repeat(12)]);
        table.row(&["db", &"x".repeat(120)]);
        let text = table.render(40);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert_eq!(text.matches("compose.yml").count(), 12);
        assert_eq!(text.matches('x').count(), 120);
    }

    #[test]
    fn wrapping() {
        for (text, width, expected) in [
            ("", 5, vec![]),
            ("abc", 5, vec!["abc"]),
            ("ab cd ef", 5, vec!["ab cd", "ef"]),
            ("abcdefgh", 3, vec!["abc", "def", "gh"]),
            ("a abcdef", 3, vec!["a", "abc", "def"]),
            ("image_not_found", 14, vec!["image_not_", "found"]),
            ("a_bcdefghi", 8, vec!["a_bcdefg", "hi"]),
            ("a\n\nb", 3, vec!["a", "", "b"]),
        ] {
            assert_eq!(wrap(text, width), expected, "{text:?}");
        }
    }
}
