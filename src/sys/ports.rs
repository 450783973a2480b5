//! Which ports of this host are taken, and by whom, read from the kernel's own tables. It keeps no
//! port: one is bound for an instant at most, to be sure of a suspicion.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// How a port is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As docker writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    /// The kernel's tables of it.
    fn tables(self) -> [&'static str; 2] {
        match self {
            Protocol::Tcp => ["tcp", "tcp6"],
            Protocol::Udp => ["udp", "udp6"],
        }
    }

    /// The state of a socket that waits for strangers (linux `net/tcp_states.h`): a TCP one listens,
    /// a UDP one is not connected.
    fn waiting(self) -> &'static str {
        match self {
            Protocol::Tcp => "0A",
            Protocol::Udp => "07",
        }
    }
}

/// A port on one address of this host, or on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// None, or the unspecified one, stands for all.
    pub address: Option<IpAddr>,
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl Port {
    /// Whether only one of two can be had at a time.
    #[must_use]
    pub fn overlaps(&self, other: &Port) -> bool {
        let all = |address: Option<IpAddr>| address.is_none_or(|address| address.is_unspecified());
        let canonical = |address: Option<IpAddr>| address.map(|address| address.to_canonical());
        let meet = all(self.address)
            || all(other.address)
            || canonical(self.address) == canonical(other.address);
        meet && self.number == other.number && self.protocol == other.protocol
    }

    /// The addresses that a container's port is bound to.
    fn bound(&self) -> Vec<SocketAddr> {
        let addresses = match self.address {
            Some(address) => vec![address],
            None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        };
        addresses.into_iter().map(|address| SocketAddr::new(address, self.number)).collect()
    }
}

/// Who waits at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Id and name of the process; unknown when it is not ours to see.
    pub process: Option<(u32, String)>,
}

/// Who keeps a port from being bound. The tables do not tell whether a socket on all addresses of
/// IPv6 takes those of IPv4 as well, so what they say is tried before it is believed.
#[must_use]
pub fn holder(port: &Port) -> Option<Holder> {
    // Of the thread that asks: the network namespace it is in.
    let net = Path::new("/proc/thread-self/net");
    let listed = port.protocol.tables().into_iter().flat_map(|table| {
        entries(&fs::read_to_string(net.join(table)).unwrap_or_default(), port.protocol)
    });
    let suspects: Vec<Entry> = listed.filter(|entry| entry.port.overlaps(port)).collect();
    if suspects.is_empty() || !is_in_use(port) {
        return None;
    }
    Some(Holder { process: suspects.iter().find_map(|entry| process_of(entry.inode)) })
}

fn is_in_use(port: &Port) -> bool {
    let fails = |address: SocketAddr| match port.protocol {
        Protocol::Tcp => TcpListener::bind(address).err(),
        Protocol::Udp => UdpSocket::bind(address).err(),
    };
    // A port that we are not allowed to try: the table is all there is.
    let believed = [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied];
    port.bound().into_iter().filter_map(fails).any(|cause| believed.contains(&cause.kind()))
}

/// A line of a table of sockets.
#[derive(Debug, PartialEq)]
struct Entry {
    port: Port,
    inode: u64,
}

/// The sockets of a table (`/proc/net/tcp`, proc(5)) that wait for strangers.
fn entries(table: &str, protocol: Protocol) -> Vec<Entry> {
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        if *state != protocol.waiting() {
            return None;
        }
        let (address, number) = local.split_once(':')?;
        let number = u16::from_str_radix(number, 16).ok()?;
        let address = Some(address_of(address)?);
        Some(Entry { port: Port { address, number, protocol }, inode: inode.parse().ok()? })
    };
    table.lines().filter_map(entry).collect()
}

/// An address as the kernel prints it: words of 32 bits, each as a number of this machine.
fn address_of(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Some(IpAddr::from(four)),
        Err(_) => <[u8; 16]>::try_from(bytes.as_slice()).ok().map(IpAddr::from),
    }
}

/// The process that has a socket open. Those of others show theirs only to root.
fn process_of(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let id = ids.find(|id| {
        let open = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str())
    })?;
    let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
    Some((id, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener, UdpSocket};

    use super::{Entry, Port, Protocol, entries, holder};

    fn port(address: &str, number: u16, protocol: Protocol) -> Port {
        Port { address: address.parse().ok(), number, protocol }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn only_sockets_that_wait_count() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1 0 100\n\
             1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 4712 1 0 100\n\
             2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7 1\n\
             3: nonsense:0050 x 0A\n";
        let found = entries(tcp, Protocol::Tcp);
        let expected = [
            Entry { port: port("127.0.0.1", 8080, Protocol::Tcp), inode: 4711 },
            Entry { port: port("::1", 80, Protocol::Tcp), inode: 7 },
        ];
        assert_eq!(found, expected);
        assert!(entries(tcp, Protocol::Udp).is_empty());
    }

    #[test]
    fn who_is_in_whose_way() {
        for (one, other, meet) in [
            ("", "127.0.0.1", true),
            ("0.0.0.0", "127.0.0.1", true),
            ("127.0.0.1", "::", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "::1", false),
        ] {
            let [one, other] = [one, other].map(|address| port(address, 80, Protocol::Tcp));
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (meet, meet), "{one:?}");
            assert!(!one.overlaps(&Port { number: 81, ..other }));
            assert!(!one.overlaps(&Port { protocol: Protocol::Udp, ..other }));
        }
    }

    #[test]
    fn a_port_that_is_taken_has_a_holder() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = Some(std::process::id());
        for (number, protocol) in [
            (tcp.local_addr().unwrap().port(), Protocol::Tcp),
            (udp.local_addr().unwrap().port(), Protocol::Udp),
        ] {
            for address in ["127.0.0.1", "0.0.0.0", ""] {
                let found = holder(&port(address, number, protocol)).expect("a holder");
                assert_eq!(found.process.map(|(id, _)| id), own, "{address}");
            }
            let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
            let free = Port { address: Some(elsewhere), number, protocol };
            assert_eq!(holder(&free), None, "another address is free");
        }
        let number = tcp.local_addr().unwrap().port();
        drop(tcp);
        assert_eq!(holder(&port("127.0.0.1", number, Protocol::Tcp)), None);
    }
}
