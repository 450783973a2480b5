//! An answer that is read line by line while it arrives. It never keeps more than one line.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use super::client::error_from;
use super::{Head, HttpError};

/// No line of an engine's stream comes near this; a longer one is an error.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// The head of an answer and the lines of its body.
pub struct Lines {
    /// Status and headers.
    pub head: Head,
    reader: BufReader<Box<dyn Read + Send>>,
    stall: Duration,
}

impl Lines {
    /// Reads lines from `body`; `stall` is only what a timeout message says.
    #[must_use]
    pub fn new(head: Head, body: Box<dyn Read + Send>, stall: Duration) -> Lines {
        Lines { head, reader: BufReader::new(body), stall }
    }

    /// The next line that is not blank, without its end; `None` at the end of the answer.
    ///
    /// # Errors
    /// See [`HttpError`]; after an error there is nothing more to read.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        loop {
            let mut line = Vec::new();
            (&mut self.reader)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .map_err(|cause| error_from(cause.into(), self.stall))?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() as u64 >= LINE_BYTES_MAX {
                return Err(HttpError::TooLarge(LINE_BYTES_MAX));
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                return Ok(Some(text.to_vec()));
            }
        }
    }

    /// The rest of the answer as it is, cut at 64 KiB: for the message in a refusal.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn rest(mut self) -> Result<Vec<u8>, HttpError> {
        let mut rest = Vec::new();
        (&mut self.reader)
            .take(64 * 1024)
            .read_to_end(&mut rest)
            .map_err(|cause| error_from(cause.into(), self.stall))?;
        Ok(rest)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lines of an answer with status {}", self.head.status)
    }
}
