//! A machine of the sandbox's own, booted by a real systemd: the files of this host below a layer that
//! is gone when the machine is off, processes, mounts and a network of its own, which leads nowhere.
//! What is in the sandbox's folder stays. The sandbox's guard switches it off.

use std::fs;
use std::process::Command;

use super::process::Output;
use super::{Running, Sandbox, run, wait_for};

/// Becomes unshare(1), the holder of the machine's namespaces; its arguments name the sandbox, so that
/// the guard knows it. Its own cgroup is the root of the machine's.
const HOLDER: &str = r#"
own=$1 id=$2 boot=$3
tree=/sys/fs/cgroup/unified
[ -d "$tree" ] || tree=/sys/fs/cgroup
mkdir -p "$tree/$id-machine"
echo $$ >"$tree/$id-machine/cgroup.procs"
echo $$ >"$own/holder"
exec unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child=KILL \
    /bin/sh -euc "$boot" boot "$@"
"#;

/// Puts the machine's files together and becomes its systemd. What of the kernel is not the machine's
/// own it can only read.
const BOOT: &str = r#"
own=$1 sandbox=$4 renew=$5 unit=$6
ip link set lo up
mkdir -p "$own/layers" "$own/root"
mount -t tmpfs tmpfs "$own/layers"
mkdir "$own/layers/upper" "$own/layers/work"
root=$own/root
mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$own/layers/upper,workdir=$own/layers/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$sandbox"
mount --rbind "$sandbox" "$root$sandbox"
units=$root/etc/systemd/system
rm -rf "$units"
mkdir -p "$units/multi-user.target.wants" "$root/etc/renew"
for service in getty.target console-getty.service systemd-logind.service systemd-udevd.service; do
    ln -s /dev/null "$units/$service"
done
: >"$root/etc/machine-id"
: >"$root/etc/fstab"
cp "$renew" "$root/usr/local/bin/renew"
cp "$unit" "$units/renew.service"
ln -s "$own/renew.json" "$root/etc/renew/renew.json"
cp -r "$own/units/." "$units/"
for service in docker renew; do
    ln -s "../$service.service" "$units/multi-user.target.wants/$service.service"
done
mkdir -p "$root/old"
cd "$root"
pivot_root . old
exec env -i container=renew-test PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C \
    sh -c 'umount -l /old; exec /lib/systemd/systemd --unit=multi-user.target --show-status=0'
"#;

/// The engine's unit: the engine of the sandbox's own, with its disk.
const DOCKER_UNIT: &str = "\
[Service]
Type=notify
Delegate=yes
ExecStartPre=/bin/rm -rf ENGINE/exec ENGINE/pid ENGINE/docker.sock
ExecStart=/usr/sbin/dockerd --config-file ENGINE/daemon.json --host unix://ENGINE/docker.sock \
--storage-driver overlay2 --data-root ENGINE/data --exec-root ENGINE/exec --pidfile ENGINE/pid \
--iptables=false --ip6tables=false --exec-opt native.cgroupdriver=cgroupfs
";

/// A machine that is on. Dropping it is a power cut.
pub struct Machine {
    holder: Running,
}

impl Sandbox {
    /// Switches a machine on that has this sandbox's own engine, which was killed before, and `renew` as
    /// it is packaged, with `config` in `/etc/renew` and `drop_in` beside its unit. Waits for the boot.
    #[track_caller]
    pub fn boot(&self, config: &str, drop_in: &str) -> Machine {
        let own = self.root().join("machine");
        let write = |name: &str, content: &str| {
            let path = own.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, content).expect("a file");
        };
        let engine = self.root().join("engine").display().to_string();
        write("renew.json", config);
        write("units/docker.service", &DOCKER_UNIT.replace("ENGINE", &engine));
        write("units/renew.service.d/test.conf", drop_in);
        let mut holder = Command::new("/bin/sh");
        holder.args(["-euc", HOLDER, "holder"]).arg(&own).arg(&self.id).arg(BOOT);
        holder.arg(self.root()).arg(env!("CARGO_BIN_EXE_renew"));
        holder.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/renew.service"));
        let machine = Machine { holder: Running::start(holder) };
        wait_for("the machine to be up", 60, || {
            let state = machine.call(&["systemctl", "is-system-running"]);
            ["running", "degraded"].contains(&state.stdout.trim()).then_some(())
        });
        machine
    }
}

impl Machine {
    /// Runs a command in the machine.
    pub fn call(&self, command: &[&str]) -> Output {
        // The holder's only child is the machine's first process.
        let holder = self.holder.pid().as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"));
        let mut inside = Command::new("nsenter");
        inside.args(["--all", "--target", children.unwrap_or_default().trim(), "--"]).args(command);
        run(inside)
    }

    /// A property of renew's unit.
    #[track_caller]
    pub fn renew(&self, property: &str) -> String {
        let output = self.call(&["systemctl", "show", "-P", property, "renew"]).expect(0);
        output.stdout.trim().to_owned()
    }

    /// What renew's unit told the journal, in a form of journalctl(1).
    #[track_caller]
    pub fn journal(&self, form: &str) -> String {
        self.call(&["journalctl", "--no-pager", "-u", "renew", "-o", form]).expect(0).stdout
    }

    /// Goes down in order, as for a reboot.
    #[track_caller]
    pub fn shut_down(mut self) {
        self.call(&["systemctl", "reboot"]).expect(0);
        self.holder.wait();
    }
}

impl Drop for Machine {
    /// What the machine knows of a test that fails is gone with it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal =
                ["journalctl", "--no-pager", "--lines=150", "-u", "renew", "-u", "docker"];
            eprintln!("{}", self.call(&journal));
        }
    }
}
