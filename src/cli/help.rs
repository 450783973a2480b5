//! The help texts. Each teaches one command: what it does, its options, its exit codes, examples.

use super::args::COMMANDS;

/// The help of one command, or of renew.
#[must_use]
pub fn text(topic: Option<&str>) -> String {
    match topic {
        Some("sync") => SYNC.to_owned(),
        Some("plan") => PLAN.to_owned(),
        Some("validate") => VALIDATE.to_owned(),
        _ => overview(),
    }
}

fn overview() -> String {
    let mut text = format!(
        "renew {}: keeps the docker compose stacks of this host in step with git\n\n\
         Usage: renew [--config PATH] COMMAND [OPTIONS]\n\nCommands:\n",
        env!("CARGO_PKG_VERSION")
    );
    for (name, line) in COMMANDS {
        text.push_str(&format!("  {name:<10} {line}\n"));
    }
    text.push_str(OVERVIEW_END);
    text
}

const OVERVIEW_END: &str = "
Options:
  -c, --config PATH  the configuration; else renew.json here or in a folder
                     above, else /etc/renew/renew.json
  -h, --help         this text; `renew COMMAND --help` tells more
  -V, --version      the version

Environment: RUST_LOG filters logs (error, warn, info, debug, trace);
DOCKER_HOST and DOCKER_CONFIG say where docker is, if renew.json does not.

Begin with `renew validate`, look at `renew plan`, then `renew sync`.
";

const SYNC: &str = "Usage: renew [--config PATH] sync [--service NAME]... [--dry-run] [--json]

Brings the stacks in step with the repository, once: fetches, compares what
runs with what git declares, and changes only what differs. What is as
declared keeps its containers. Run it from cron or a systemd timer.

Options:
  --service NAME  only this service of renew.json; may be repeated
  --dry-run       say what would be done, change nothing (as `renew plan`)
  --json          print one JSON document

Without a terminal it prints nothing when there was nothing to do.

Exit codes:
  0    every service is as declared, or was made so
  1    configuration, git, or a compose file that does not resolve
  2    the engine or compose failed: pull, up, or a change that is not good
  3    refused: it would not be safe now
  130, 143   interrupted by INT or TERM

Examples:
  renew sync
  renew sync --service shop --json
  */3 * * * * root renew --config /etc/renew/renew.json sync
";

const PLAN: &str = "Usage: renew [--config PATH] plan [--service NAME]... [--json]

Says what `renew sync` would do now, and why, and changes nothing: not the
working tree, not the repository, not docker, not renew's own state.

Options:
  --service NAME  only this service of renew.json; may be repeated
  --json          print one JSON document

Actions: recreate, start, remove, none; `pull+` means the image is fetched
first, and a fetch that brings nothing new turns the action into none.

Exit codes: 0, or 1 if no plan could be made.
";

const VALIDATE: &str = "Usage: renew [--config PATH] validate [--json] [--schema]

Checks renew.json offline: no git, no docker, no network. Shows how compose
files group into stacks, each service's schedule and its next five times,
and every warning and error with file, line and column.

Options:
  --json    print one JSON document
  --schema  print the JSON Schema of renew.json

Exit codes: 0, or 1 if there is an error.
";

#[cfg(test)]
mod tests {
    use super::{COMMANDS, text};

    #[test]
    fn every_help_fits_eighty_columns() {
        for topic in COMMANDS.iter().map(|(name, _)| Some(*name)).chain([None]) {
            let wide: Vec<String> = text(topic)
                .lines()
                .filter(|line| line.chars().count() > 80)
                .map(str::to_owned)
                .collect();
            assert!(wide.is_empty(), "{topic:?}: {wide:?}");
        }
    }
}
