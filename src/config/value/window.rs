//! Change windows in the configuration: what a text means is for [`crate::decide::window`] to say;
//! here it gets the way out.

pub use crate::decide::window::Window;

use crate::config::value::Problem;

/// Parses `DAYS HH:MM-HH:MM`, see [`Window::parse`].
///
/// # Errors
/// Any other text, and a window of no length.
pub fn parse(text: &str) -> Result<Window, Problem> {
    Window::parse(text).map_err(|why| {
        let hint = "write days and times, like \"Mon-Fri 19:00-07:00\" or \"daily 02:00-04:00\"";
        Problem::new(format!("{text:?} is not a window: {why}"), hint)
    })
}
