//! Peak memory of a settled sync beside that of the git it runs, and the size of the binary. The
//! shipped (static musl) build is measured if it is there: `make release` makes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Sandbox;
use crate::table::{Figure, Table};

/// What renew may take beside git, which runs at the same time.
const MEMORY_BUDGET: u64 = 4 << 20;
/// The kernel counts what is resident in steps, for each processor: the median of so many tells.
const SAMPLES: usize = 9;
const BINARY_BUDGET: u64 = 3_000_000;

pub fn measure(table: &mut Table, sandbox: &Sandbox) {
    for (name, binary) in binaries() {
        let mut peaks: Vec<u64> = (0..SAMPLES).map(|_| peak(sandbox, &binary)).collect();
        peaks.sort_unstable();
        let peak = Figure::Bytes(peaks[SAMPLES / 2]);
        let budget = (name == "shipped").then_some(Figure::Bytes(MEMORY_BUDGET));
        table.figure(format!("  peak memory of renew beside git, {name}"), peak, budget);
        let size = Figure::Bytes(fs::metadata(&binary).expect("the binary").len());
        table.figure(
            format!("  binary, stripped, with TLS, {name}"),
            size,
            Some(Figure::Bytes(BINARY_BUDGET)),
        );
    }
}

/// This build, and the one that ships if it is there.
pub fn binaries() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_renew"));
    let shipped = built.ancestors().nth(2).map(|target| {
        let machine = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        target.join(machine).join("release/renew")
    });
    let shipped = shipped.filter(|path| path.is_file());
    std::iter::once(("this build", built)).chain(shipped.map(|path| ("shipped", path)))
}

/// A sandbox in which the renew plays that ships, if it is there.
pub fn sandbox() -> Option<Sandbox> {
    let (_, binary) = binaries().last()?;
    Some(Sandbox::open()?.played_by(binary))
}

/// The high-water mark of the resident set (proc_pid_status(5)), read until the process ends: it
/// never falls, so the last reading is at most a moment old.
fn peak(sandbox: &Sandbox, binary: &Path) -> u64 {
    let mut renew = Command::new(binary)
        .args(["--config", "renew.json", "sync"])
        .current_dir(sandbox.root())
        .env("DOCKER_CONFIG", sandbox.root().join("docker"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("renew");
    let status = format!("/proc/{}/status", renew.id());
    let mut peak = 0;
    while renew.try_wait().expect("renew").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).map(str::parse::<u64>);
        peak = kib.and_then(Result::ok).map_or(peak, |kib| kib << 10);
    }
    peak
}
