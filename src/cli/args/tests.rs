//! Command lines, right and wrong, in tables.

use std::time::Duration;

use super::{Command, Line, SyncArgs, Whose, parse};

fn line(text: &str) -> Result<Line, String> {
    parse(text.split_whitespace().map(Into::into))
}

#[test]
fn config_stands_before_and_after_the_command() {
    let sync = Command::Sync(SyncArgs { json: true, ..SyncArgs::default() });
    for text in ["--config a sync --json", "sync --json --config a", "sync --config=a --json"] {
        let expected = Line { config: Some("a".into()), command: sync.clone() };
        assert_eq!(line(text), Ok(expected), "{text}");
    }
}

#[test]
fn accept_takes_one_name() {
    let service = "shop".to_owned();
    for text in ["accept shop", "--config a accept shop", "accept --config a shop"] {
        let parsed = line(text).unwrap();
        assert_eq!(parsed.command, Command::Accept { service: service.clone() }, "{text}");
    }
}

#[test]
fn pause_and_resume_take_one_name_or_all() {
    let one = || Whose::One("shop".to_owned());
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let pause = |whose, hold, reason| Command::Pause { whose, hold, reason };
    for (typed, expected) in [
        ("pause shop", pause(one(), None, None)),
        ("pause --for 2h shop --reason disk", pause(one(), hours(2), Some("disk".to_owned()))),
        ("pause --all --for 1h --for 2h", pause(Whose::All, hours(2), None)),
        ("resume shop", Command::Resume { whose: one() }),
        ("resume --all", Command::Resume { whose: Whose::All }),
    ] {
        assert_eq!(line(typed).map(|line| line.command), Ok(expected), "{typed}");
    }
}

#[test]
fn without_a_word_it_is_the_daemon() {
    for typed in ["", "run"] {
        assert_eq!(line(typed).map(|line| line.command), Ok(Command::Run), "{typed}");
    }
}

#[test]
fn plan_is_a_dry_run_of_sync() {
    assert_eq!(
        line("plan --service a --service b"),
        line("sync --dry-run --service a --service b")
    );
}

#[test]
fn wrong_lines_are_told_apart() {
    for (text, expected) in [
        ("snyc", "there is no command `snyc`; did you mean `sync`?"),
        ("frobnicate", "there is no command `frobnicate`"),
        (
            "doctor",
            "renew VERSION has no `doctor` yet; it has run, sync, plan, status, why, history, pause, resume, rollback, retry, accept and validate",
        ),
        ("why", "why needs the name of a service"),
        ("status --json --watch", "status takes --json or --watch"),
        ("pause", "pause needs the name of a service, or --all"),
        ("pause a --all", "pause takes the name of a service or --all"),
        ("pause a --for", "missing argument for option '--for'"),
        ("pause a --for=", "--for needs a duration like 2h"),
        ("pause a --for 0s", "--for needs more than 0s"),
        (
            "pause a --for 2",
            "--for: \"2\" is not a duration; write a number and a unit (d, h, m, s, ms), like \"90s\" or \"1h30m\"",
        ),
        ("pause a --fro 2h", "`pause` takes no --fro; did you mean `--for`?"),
        ("resume", "resume needs the name of a service, or --all"),
        ("resume a --for 2h", "`resume` takes no --for"),
        ("sync --jsn", "`sync` takes no --jsn; did you mean `--json`?"),
        ("sync --cofnig a", "`sync` takes no --cofnig; did you mean `--config`?"),
        ("plan --dry-run", "`plan` takes no --dry-run"),
        ("validate --service a", "`validate` takes no --service"),
        ("sync --config=", "--config needs the path of a file"),
        ("sync --service=", "--service needs the name of a service"),
        ("accept", "accept needs the name of a service"),
        ("rollback a --to x", "--to needs the number of a release, not x"),
        ("accept a b", "`accept` takes no b"),
        ("accept a --json", "`accept` takes no --json"),
        ("sync extra", "`sync` takes no extra"),
        ("--json", "--json goes behind the command: `renew COMMAND --json`"),
        ("--confg a", "there is no option --confg; did you mean `--config`?"),
        ("--colour", "there is no option --colour"),
        ("sync --service", "missing argument for option '--service'"),
    ] {
        let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
        assert_eq!(line(text), Err(expected), "{text}");
    }
}

#[test]
fn help_is_had_in_every_way() {
    for text in ["--help", "-h", "help"] {
        assert_eq!(line(text).unwrap().command, Command::Help(None), "{text}");
    }
    for text in ["sync --help", "help sync", "--help sync", "sync -h"] {
        assert_eq!(line(text).unwrap().command, Command::Help(Some("sync")), "{text}");
    }
    assert_eq!(line("-V").unwrap().command, Command::Version);
}
