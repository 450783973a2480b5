//! What kills: executables in the place of git, compose and the scripts, a server of ours before the
//! engine's socket, and strace at the system calls. They count effects and strike at one of them. The
//! product knows nothing of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use super::point::{Call, Moment, Point, Source, Victim};
use crate::support::{Front, Output, Running, Sandbox, Turn, run};

/// Stands in the place of an executable: counts its starts, and kills where the trap says so. `$PPID`
/// is renew; `$$` leads the process group that renew made for it.
const WRAPPER: &str = r#"#!/bin/sh
NOTE
echo >>'ROOT/hits.KIND'
if read -r kind nth moment victim 2>/dev/null <'ROOT/trap' && [ "$kind" = KIND ] &&
    [ "$(wc -l <'ROOT/hits.KIND')" -eq "$nth" ]; then
    strike() {
        echo >'ROOT/fired'
        case $victim in
            renew) kill -9 $PPID ;;
            all) kill -9 $PPID; kill -9 -$$ ;;
            child) kill -9 -$$ ;;
            told) kill -TERM $PPID ;;
        esac
    }
    [ "$moment" = after ] || strike
    'REAL' "$@"
    code=$?
    [ "$moment" = before ] || strike
    exit $code
fi
INSIDE
exec 'REAL' "$@"
"#;

/// Goes on in the wrapper of git: the trap may be for system calls of one command, `checkout.rename`.
/// When git was killed there, the wrapper ends as if it were git.
const INSIDE: &str = r#"
for word in "$@"; do
    case $word in fetch | checkout | update-index | update-ref) break ;; esac
done
if [ "${kind%.*}" = "$word" ]; then
    strace -f -q -o 'ROOT/strace.log' -e "trace=${kind#*.}" \
        -e "inject=${kind#*.}:signal=KILL:when=$nth" 'REAL' "$@"
    code=$?
    if grep -q 'killed by SIGKILL' 'ROOT/strace.log'; then
        echo >'ROOT/fired'
        [ "$victim" = child ] || { kill -9 $PPID; kill -9 -$$; }
        [ "$code" -lt 128 ] || kill -9 $$
    fi
    exit $code
fi
"#;

/// The traps of one sandbox.
pub struct Traps {
    root: PathBuf,
    hunt: Arc<Mutex<Hunt>>,
    front: Front,
}

/// What the server before the engine knows.
#[derive(Default)]
struct Hunt {
    prey: Option<Point>,
    renew: Option<Pid>,
    count: usize,
    fired: bool,
    /// Nobody reaches the engine.
    cut: bool,
}

/// How a hunted run ended.
pub struct Hunted {
    /// Whether somebody was killed.
    pub fired: bool,
    /// Whether there was such an effect.
    pub reached: bool,
    /// What was left of its words.
    pub output: Output,
}

impl Traps {
    /// Sets them up; nothing is struck before [`Traps::hunt`].
    pub fn lay(sandbox: &Sandbox) -> Traps {
        let root = sandbox.root().to_owned();
        let hunt: Arc<Mutex<Hunt>> = Arc::default();
        let traps = Traps { front: front(&root, hunt.clone()), hunt, root };
        let plugin = traps.root.join("docker/cli-plugins/docker-compose");
        let note = format!("echo \"$$ compose $*\" >>'{}/started.log'", traps.root.display());
        traps.write(&plugin, Source::Compose, sandbox.real_compose(), &note);
        traps.write(&traps.root.join("bin/git"), Source::Git, &on_path("git"), ":");
        traps.write(&traps.script(), Source::Script, &on_path("true"), ":");
        traps
    }

    /// The engine, as renew and compose have to be told of it.
    pub fn engine(&self) -> String {
        format!("unix://{}", self.front.address)
    }

    /// What a script of the repository has to run to be counted.
    pub fn script(&self) -> PathBuf {
        self.root.join("bin/script")
    }

    fn write(&self, at: &Path, source: Source, real: &Path, note: &str) {
        let text = WRAPPER
            .replace("NOTE", note)
            .replace("INSIDE", if source == Source::Git { INSIDE } else { "" })
            .replace("ROOT", &self.root.display().to_string())
            .replace("KIND", &source.to_string())
            .replace("REAL", &real.display().to_string());
        fs::write(at, text).expect("a wrapper");
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// A sync that is struck at this point, if it comes there.
    pub fn hunt(&self, sandbox: &Sandbox, point: Point) -> Hunted {
        self.forget();
        let mut sync = sandbox.renew_command(&["sync"], &[]);
        match point.source {
            Source::Git | Source::Inside(..) | Source::Compose | Source::Script => {
                let Point { source, nth, moment, victim, .. } = point;
                let line = format!("{source} {nth} {} {}\n", moment.word(), victim.word());
                fs::write(self.root.join("trap"), line).expect("a trap");
            }
            Source::Engine => self.hunt.lock().expect("the hunt").prey = Some(point),
            Source::Call(call) => {
                let how = if point.victim == Victim::Error { "error=EIO" } else { "signal=KILL" };
                let inject = format!("inject={}:{how}:when={}", call.word(), point.nth);
                let log = self.root.join("hits.call");
                // What it says to a person is no effect.
                sync.env("RUST_LOG", "error");
                sync = traced(&sync, &log, call.word(), &["-e", &inject]);
            }
        }
        // Nobody asks the engine before the front knows whom to strike.
        let mut hunt = self.hunt.lock().expect("the hunt");
        let running = Running::start(sync);
        hunt.renew = Some(running.pid());
        drop(hunt);
        let output = running.finish();
        {
            let mut hunt = self.hunt.lock().expect("the hunt");
            (hunt.prey, hunt.cut) = (None, false);
        }
        let _ = fs::remove_file(self.root.join("trap"));
        let fired = match point.source {
            Source::Call(_) if point.victim == Victim::Error => {
                let log = fs::read_to_string(self.root.join("hits.call")).unwrap_or_default();
                log.contains("(INJECTED)")
            }
            Source::Call(_) => output.code == 137,
            Source::Engine => self.hunt.lock().expect("the hunt").fired,
            _ => self.root.join("fired").exists(),
        };
        let reached = fired || self.hits(point.source) >= point.nth;
        Hunted { fired, reached, output }
    }

    /// A sync to its end, and how many effects of each source it had; what is inside git is not
    /// looked at.
    pub fn count(&self, sandbox: &Sandbox) -> (Output, Vec<(Source, usize)>) {
        self.forget();
        let calls: Vec<&str> = Call::ALL.iter().map(|call| call.word()).collect();
        let log = self.root.join("hits.call");
        let output =
            run(traced(&sandbox.renew_command(&["sync"], &[]), &log, &calls.join(","), &[]));
        let counts = Source::all().into_iter().map(|source| (source, self.hits(source)));
        (output, counts.filter(|(_, count)| *count > 0).collect())
    }

    fn hits(&self, source: Source) -> usize {
        let lines = |name: String| fs::read_to_string(self.root.join(name)).unwrap_or_default();
        match source {
            Source::Engine => self.hunt.lock().expect("the hunt").count,
            Source::Inside(..) => 0,
            Source::Call(call) => {
                let begin = format!("{}(", call.word());
                lines("hits.call".to_owned())
                    .lines()
                    .filter(|line| line.starts_with(&begin))
                    .count()
            }
            Source::Git | Source::Compose | Source::Script => {
                lines(format!("hits.{source}")).lines().count()
            }
        }
    }

    fn forget(&self) {
        for name in ["hits.git", "hits.compose", "hits.script", "hits.call", "trap", "fired"] {
            let _ = fs::remove_file(self.root.join(name));
        }
        *self.hunt.lock().expect("the hunt") = Hunt::default();
    }
}

/// The same command under strace, which follows neither its threads nor its children.
fn traced(command: &Command, log: &Path, calls: &str, more: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o"]).arg(log);
    strace.args(more).arg(command.get_program()).args(command.get_args()).env_clear();
    strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.current_dir(command.get_current_dir().expect("a directory"));
    strace
}

/// A socket before the engine's.
fn front(root: &Path, hunt: Arc<Mutex<Hunt>>) -> Front {
    let engine = std::env::var("DOCKER_HOST").unwrap_or_default();
    let engine = engine.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
    Front::unix(&root.join("front.sock"), engine.as_ref(), move |line, _| {
        let mut known = hunt.lock().expect("the hunt");
        if known.cut {
            return Turn::Answer(String::new());
        }
        if line.starts_with("GET ") || line.starts_with("HEAD ") {
            return Turn::Pass;
        }
        known.count += 1;
        let Some(point) = known.prey.filter(|point| point.nth == known.count) else {
            return Turn::Pass;
        };
        let renew = known.renew.expect("a run");
        // renew waits for compose: while there is one, it is the one that asks.
        let by_child = !descendants(renew).is_empty();
        if point.victim == Victim::Child && !by_child {
            return Turn::Pass;
        }
        known.fired = true;
        known.cut = point.victim == Victim::Link;
        match point.moment {
            Moment::Before => {
                strike(renew, point.victim);
                match point.victim == Victim::Told || by_child && point.victim == Victim::Renew {
                    true => Turn::Pass,
                    false => Turn::Answer(String::new()),
                }
            }
            Moment::After => Turn::Then(Box::new(move || strike(renew, point.victim))),
        }
    })
}

fn strike(renew: Pid, victim: Victim) {
    let children = match victim {
        Victim::Link | Victim::Error => return,
        Victim::Told => {
            let _ = kill_process(renew, Signal::TERM);
            return;
        }
        Victim::Renew => Vec::new(),
        Victim::All | Victim::Child => descendants(renew),
    };
    let renew = (victim != Victim::Child).then_some(renew);
    for pid in renew.into_iter().chain(children) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The living processes that a process started, and those that they started: field 4 of proc(5)
/// `/proc/PID/stat` names the parent.
fn descendants(of: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let parents: Vec<(i32, i32)> = processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            if fields.next()? == "Z" {
                return None;
            }
            Some((pid, fields.next()?.parse().ok()?))
        })
        .collect();
    let mut family = vec![of.as_raw_nonzero().get()];
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        looked_at += 1;
    }
    family.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(name));
    places.find(|path| path.is_file()).unwrap_or_else(|| panic!("no {name}: run scripts/setup"))
}
