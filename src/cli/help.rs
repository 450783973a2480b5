//! The help texts. Each teaches one command: what it does, its options, its exit codes, examples.

use super::args::COMMANDS;

/// The help of one command, or of renew.
#[must_use]
pub fn text(topic: Option<&str>) -> String {
    match topic {
        Some("run") => RUN.to_owned(),
        Some("sync") => SYNC.to_owned(),
        Some("plan") => PLAN.to_owned(),
        Some("status") => STATUS.to_owned(),
        Some("why") => WHY.to_owned(),
        Some("history") => HISTORY.to_owned(),
        Some("pause") => PAUSE.to_owned(),
        Some("resume") => RESUME.to_owned(),
        Some("rollback") => ROLLBACK.to_owned(),
        Some("retry") => RETRY.to_owned(),
        Some("accept") => ACCEPT.to_owned(),
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

Environment: RUST_LOG filters logs (error, warn, info, debug);
DOCKER_HOST and DOCKER_CONFIG say where docker is, if renew.json does not.

Begin with `renew validate`, look at `renew plan`, then `renew sync`.
";

const RUN: &str = "Usage: renew [--config PATH] [run]

The daemon: brings each service in step with the repository whenever its
`schedule` says, a few at once (`workers`), until it is told to stop. What it
does is told on standard error; a run that finds nothing to do says nothing.

renew.json is loaded again when it changes, also when a fetch brings another
one. A file that does not load is told, and the last one that did stays in
force.

Signals:
  TERM, INT  no run begins any more; one that has begun to change something
             gets 75 s to its end, all others end at once. A second time:
             everything ends.
  HUP        load renew.json now

Under systemd (Type=notify) it says when it is ready, how all is, and, with
WatchdogSec=, that it is alive. `renew status` tells more, and `renew sync` may
be used beside it.

Control socket (`control.socket`): GET /health, GET /status,
POST /services/NAME/sync, POST /reload; see docs/daemon.md.

Exit codes: 0 after a stop; 1 when there is no configuration to begin with, or
another daemon runs.
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
  0    every service is as declared or was made so, or what is left waits on
       purpose: for a window, a pause, a hold, another run
  1    configuration, git, an env file, or a compose file that does not resolve
  2    the engine or compose failed: pull, up, or a change that is not good,
       also when it was undone and while it is quarantined
  3    refused: it would not be safe now
  130, 143   interrupted by INT or TERM; a change that has begun is finished
             first (75 s at most), a second signal ends it too

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

Actions: recreate, start, signal, remove, none; `pull+` means the image is
fetched first, and a fetch that brings nothing new turns the action into none.

Exit codes: 0, or 1 if no plan could be made.
";

const STATUS: &str = "Usage: renew [--config PATH] status [--json | --watch]

Says how each service of this host stands, as the last runs left it: its
state, the commit and images in force, when it last changed and last failed,
when it is due; then what needs a human, each with the way out. It asks the
daemon, if one runs, but neither docker nor git nor the network.

Options:
  --json   print one JSON document
  --watch  print it anew every 2 seconds, on a terminal, until Ctrl-C

States: the result of the last run (ok, failed, refused, deferred, ...),
`paused`, or `never run`.

Exit codes: 0; 1 if the configuration or the state cannot be read.
";

const WHY: &str = "Usage: renew [--config PATH] why NAME

Tells the story of the last change of service NAME: when and for whose commit,
what was done to which compose service and why, from which image to which,
which keys changed (never their values), how long it was down, what the gate
said, and what came of it. Before it, what went wrong last and what waits. If
a container has ended since then, or is gone, it says that first: that was not
renew. For that it asks docker, if it answers.

Exit codes: 0; 1 if the configuration or the state cannot be read.

Example:
  renew why shop
";

const HISTORY: &str = "Usage: renew [--config PATH] history [--service NAME]... [--json]

Lists what runs changed or tried to, the newest last: when, for
which commit, what was done to which compose service, and what came of it. Runs
that had nothing to do are not listed. The last 20 of each service are kept.

Options:
  --service NAME  only this service of renew.json; may be repeated
  --json          print one JSON document

Exit codes: 0; 1 if the configuration or the state cannot be read.

Example:
  renew history --service shop
";

const PAUSE: &str = "Usage: renew [--config PATH] pause NAME [--for 2h] [--reason TEXT]
       renew [--config PATH] pause --all [--for 2h] [--reason TEXT]

Leaves service NAME alone: until the pause ends no run pulls, moves a file,
changes a container, or starts one that is down. A run that is under way goes
on to its end. The pause survives restarts. Pausing again sets a new end.

Options:
  --for DURATION  end by itself after so long (90s, 1h30m, 2d); otherwise it
                  holds until `renew resume`
  --reason TEXT   why, for those who see it in `renew plan`
  --all           every service of renew.json that is for this host

Exit codes: 0; 1 if there is no such service or it cannot be written down.

Example:
  renew pause shop --for 2h --reason 'moving the database'
";

const RESUME: &str = "Usage: renew [--config PATH] resume NAME
       renew [--config PATH] resume --all

Ends the pause of service NAME. Changes nothing itself: the next `renew sync`
looks after the service again.

Options:
  --all  every service that is paused, also one that left renew.json

Exit codes: 0, also if it was not paused; 1 if there is no such service.

Example:
  renew resume shop && renew sync --service shop
";

const ROLLBACK: &str = "Usage: renew [--config PATH] rollback NAME [--to ID]

Puts service NAME back on an earlier good release: same images, environment,
mounts and mounted files. It stays there, whatever is pushed, and is healed as
that, until `renew retry NAME`. Data in volumes is not touched.

Options:
  --to ID  this release; without it the one before the one in force

`keep_releases` in renew.json says how many are kept.

Exit codes: as `renew sync`; 1 if no such release is kept.

Example:
  renew rollback shop
";

const RETRY: &str = "Usage: renew [--config PATH] retry NAME

Has service NAME follow git again, now: what failed before (a target, an image,
a container) is tried once more, and a service that `renew rollback` put back is
no longer held.

Exit codes: as `renew sync`.

Example:
  renew plan --service shop; renew retry shop
";

const ACCEPT: &str = "Usage: renew [--config PATH] accept NAME

Lets the next run make a change of service NAME that renew refuses to make by
itself (`refused` in `renew plan`): a mount that would point elsewhere, a
project that belongs to another directory, a changed network or volume. It
says what it accepts, and changes nothing itself. It holds for exactly what is
refused now, until that is done or git says something else. Volumes are never
removed: a changed one goes on as it is.

Exit codes: 0, also if nothing is refused; 1 if no plan could be made.

Example:
  renew plan; renew accept shop && renew sync
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
