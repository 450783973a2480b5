//! The environment of this process and the identity of this host. Read here, handed down as values.

use std::ffi::OsString;
use std::path::PathBuf;

/// The value of an environment variable; unset and empty are the same.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Like [`var`], as text; a value that is not UTF-8 counts as unset.
#[must_use]
pub fn text(name: &str) -> Option<String> {
    var(name).and_then(|value| value.into_string().ok())
}

/// The short name of this host, as `uname -n` gives it.
#[must_use]
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The effective user id of this process.
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the kernel hands programs for another processor to an emulator; `architecture` is as image
/// manifests call it. The names are those that QEMU registers.
#[must_use]
pub fn emulates(architecture: &str) -> bool {
    let machine = match architecture {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i386",
        "loong64" => "loongarch64",
        other => other,
    };
    let registered = PathBuf::from("/proc/sys/fs/binfmt_misc").join(format!("qemu-{machine}"));
    std::fs::read_to_string(registered).is_ok_and(|text| text.starts_with("enabled"))
}

/// The directories in which commands are looked up: `PATH`, or the usual system ones.
#[must_use]
pub fn search_path() -> OsString {
    var("PATH").unwrap_or_else(|| {
        OsString::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    })
}

/// Looks a command up in [`search_path`]. Only regular files count.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// An account of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// The account of a user id in `/etc/passwd`; a static binary has no other name service.
#[must_use]
pub fn account(uid: u32) -> Option<Account> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, id, gid, _, home, ..] = fields[..] else { return None };
        (id.parse() == Ok(uid))
            .then(|| Some(Account { gid: gid.parse().ok()?, home: PathBuf::from(home) }))?
    })
}

/// Where this process was started; the root folder when that is gone.
#[must_use]
pub fn current_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}
