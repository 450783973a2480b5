//! Signals to a process that is known by its control group, as the first one of a container is. Only
//! that process gets it: a process id alone may be somebody else's by now.

use std::fs;
use std::io::{Error, ErrorKind, Result};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Sends a signal, named without `SIG`, to a process if one of its control groups has `cgroup` in
/// its path.
///
/// # Errors
/// When there is no such process here, it is another one, or we may not: nothing was sent then.
pub fn send(pid: i32, cgroup: &str, signal: &str) -> Result<()> {
    let other = || Error::from(ErrorKind::NotFound);
    let signal = named(signal).ok_or(ErrorKind::InvalidInput)?;
    // Held before it is looked at, so that it cannot become another one in between (pidfd_open(2)).
    let process = pidfd_open(Pid::from_raw(pid).ok_or_else(other)?, PidfdFlags::empty())?;
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    if cgroup.is_empty() || !groups.contains(cgroup) {
        return Err(other());
    }
    Ok(pidfd_send_signal(process, signal)?)
}

fn named(signal: &str) -> Option<Signal> {
    Some(match signal {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "TERM" => Signal::TERM,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "WINCH" => Signal::WINCH,
        "CONT" => Signal::CONT,
        "URG" => Signal::URG,
        "IO" => Signal::IO,
        "PWR" => Signal::POWER,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{named, send};

    #[test]
    fn only_who_is_meant_gets_it() {
        let pid = i32::try_from(std::process::id()).unwrap();
        for (pid, cgroup, signal, expected) in [
            (pid, "/no-such-group", "URG", ErrorKind::NotFound),
            (pid, "", "URG", ErrorKind::NotFound),
            (0, "/", "URG", ErrorKind::NotFound),
            (pid, "/", "KILL", ErrorKind::InvalidInput),
        ] {
            assert_eq!(send(pid, cgroup, signal).unwrap_err().kind(), expected, "{cgroup}");
        }
        // URG is ignored by who does not ask for it.
        send(pid, "/", "URG").unwrap();
    }

    #[test]
    fn every_signal_of_the_configuration_has_a_number() {
        for name in crate::config::value::choice::SIGNALS {
            assert!(named(name).is_some(), "{name}");
        }
    }
}
