//! Logs: lines on standard error, filtered by `RUST_LOG`. Under journald the time is left to it and
//! the priority is told in its own way (sd-daemon(3)).

use std::io::Write;

use log::Level;

use crate::sys;

/// Begins to log. `info` and worse are shown unless `RUST_LOG` says otherwise.
pub fn start() {
    let filter = sys::env::text("RUST_LOG").unwrap_or_else(|| "info,ureq=warn".to_owned());
    let journal = sys::env::var("JOURNAL_STREAM").is_some();
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&filter).format(move |line, record| {
        let text = escape(&record.args().to_string());
        if journal {
            return writeln!(line, "<{}>{text}", priority(record.level()));
        }
        let now = sys::clock::local_time();
        writeln!(line, "{now} {:5} {text}", record.level())
    });
    // A second logger in one process is a mistake of ours, not the user's: the first one stays.
    let _ = builder.try_init();
}

/// The priorities of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Text of others (commit subjects, image names, complaints) must not forge lines or drive the
/// terminal.
fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let hostile = c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            let escaped: Vec<char> = if hostile { c.escape_default().collect() } else { vec![c] };
            escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn control_characters_cannot_forge_a_line() {
        assert_eq!(escape("a\nb\u{1b}[31mc"), "a\\nb\\u{1b}[31mc");
        assert_eq!(escape("plain ünïcode"), "plain ünïcode");
    }
}
