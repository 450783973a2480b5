//! An engine of the sandbox's own whose disk is small enough to be filled. It has processes and mounts
//! of its own, and no network: containers on it say `network_mode: none`. The sandbox's guard ends it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Sandbox, wait_for};

/// Becomes unshare(1), the holder of the engine's namespaces; its arguments name the sandbox, so that
/// the guard knows it. Only the disk itself is mounted where renew sees it too, as on any host.
const HOLDER: &str = r#"
own=$1 id=$2 bytes=$3
mkdir -p "$own/data"
mountpoint -q "$own/data" || mount -t tmpfs -o "size=$bytes" tmpfs "$own/data"
# As after a boot: nothing of an engine that was there before runs any more.
rm -rf "$own/exec" "$own/pid" "$own/docker.sock"
echo '{}' >"$own/daemon.json"
echo $$ >"$own/holder"
exec unshare --mount --pid --fork --kill-child --mount-proc dockerd \
    --config-file "$own/daemon.json" --host "unix://$own/docker.sock" --storage-driver overlay2 \
    --data-root "$own/data" --exec-root "$own/exec" --pidfile "$own/pid" \
    --iptables=false --ip6tables=false \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$id"
"#;

/// Whether an engine is to answer.
#[derive(Clone, Copy)]
pub enum Freeze {
    Begin,
    End,
}

impl Sandbox {
    /// From now on everything plays on an engine of this sandbox's own, whose disk has this size. One
    /// that was killed comes back with its disk.
    #[track_caller]
    pub fn on_a_small_engine(&mut self, mebibytes: u64) {
        let own = self.root().join("engine");
        let log = self.root().join("engine.log");
        let out = File::create(&log).expect("a log");
        let mut holder = Command::new("/bin/sh");
        holder.args(["-euc", HOLDER, "holder"]).arg(&own).arg(&self.id);
        holder.arg((mebibytes << 20).to_string()).stdin(Stdio::null());
        holder.stdout(out.try_clone().expect("a second handle")).stderr(out).process_group(0);
        let mut holder = holder.spawn().expect("a shell");
        let socket = own.join("docker.sock");
        self.engine = Some(socket.clone());
        wait_for("an engine of its own (root, and the dockerd of scripts/setup)", 60, || {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            let ended = holder.try_wait().expect("to ask for the engine");
            assert!(ended.is_none(), "no engine of its own: {}", said());
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
    }

    /// Its engine dies, and all its containers with it.
    pub fn kill_engine(&self) {
        let holder = self.engine_holder();
        kill_process_group(holder, Signal::KILL).expect("to kill the engine");
        wait_for("the engine to be gone", 20, || {
            let left = fs::read_dir(format!("/proc/{}", holder.as_raw_nonzero()));
            let socket = self.engine.as_ref().expect("an engine of its own");
            let answers = std::os::unix::net::UnixStream::connect(socket).is_ok();
            (left.is_err() || !answers).then_some(())
        });
    }

    /// Its engine stops working, or goes on: it holds its sockets and answers nobody.
    pub fn freeze_engine(&self, freeze: Freeze) {
        let signal = match freeze {
            Freeze::Begin => Signal::STOP,
            Freeze::End => Signal::CONT,
        };
        // The engine is the only child of whoever holds its namespaces.
        let holder = self.engine_holder().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"));
        let engine = children.expect("its children").trim().parse().ok().and_then(Pid::from_raw);
        kill_process(engine.expect("one child"), signal).expect("to signal the engine");
    }

    fn engine_holder(&self) -> Pid {
        let holder = fs::read_to_string(self.root().join("engine/holder")).expect("an engine");
        Pid::from_raw(holder.trim().parse().expect("a process id")).expect("a process")
    }

    /// Where docker is, for whatever is to talk to the same engine.
    pub(super) fn docker_host(&self) -> Option<OsString> {
        let own = |socket: &PathBuf| OsString::from(format!("unix://{}", socket.display()));
        self.engine.as_ref().map(own).or_else(|| std::env::var_os("DOCKER_HOST"))
    }

    /// The folder of its engine's data.
    pub fn engine_disk(&self) -> PathBuf {
        self.root().join("engine/data")
    }

    /// What its engine's disk has free, in bytes.
    pub fn engine_disk_free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.engine_disk()).expect("the engine's disk");
        stat.f_bavail * stat.f_frsize
    }

    /// Somebody fills its engine's disk, but for so many bytes; what was filled before is freed.
    pub fn fill_engine_disk(&self, but_bytes: u64) {
        self.free_engine_disk();
        let mut left = self.engine_disk_free().saturating_sub(but_bytes);
        let mut file = OpenOptions::new();
        let mut file = file.create(true).append(true).open(self.filler()).expect("a file");
        while left > 0 {
            let part = left.min(1 << 16);
            let bytes = vec![0; usize::try_from(part).expect("a small number")];
            if file.write_all(&bytes).is_err() {
                break;
            }
            left -= part;
        }
    }

    /// And gives it back.
    pub fn free_engine_disk(&self) {
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> PathBuf {
        self.engine_disk().join("somebody-else's")
    }
}
