//! The addresses of this host, read from the kernel's own tables. It asks no resolver and opens no
//! socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::gather::sort_by_key;
use crate::sys::http::Cidr;

/// The addresses that lead to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddresses {
    blocks: Vec<Cidr>,
}

impl OwnAddresses {
    /// Reads them now: interfaces come and go.
    ///
    /// # Errors
    /// The kernel's table of IPv4 routes cannot be read.
    pub fn read() -> io::Result<OwnAddresses> {
        // Of the thread that asks: the network namespace it is in.
        let proc_net = Path::new("/proc/thread-self/net");
        let mut blocks = ipv4_blocks(&std::fs::read_to_string(proc_net.join("fib_trie"))?);
        match std::fs::read_to_string(proc_net.join("if_inet6")) {
            Ok(table) => blocks.extend(ipv6_blocks(&table)),
            // A kernel without IPv6 has no such file.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
        Ok(OwnAddresses { blocks })
    }

    /// Exactly these blocks, besides what [`OwnAddresses::contains`] knows by itself.
    #[must_use]
    pub fn of(blocks: Vec<Cidr>) -> OwnAddresses {
        OwnAddresses { blocks }
    }

    /// Whether a connection to `address` stays on this host under its own name: an address of an
    /// interface, 127.0.0.1, `::1`, or the unspecified address. Of 127.0.0.0/8, which the kernel
    /// calls local as a whole, no other address counts: each can stand for another host.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) if v4.is_loopback() => v4 == Ipv4Addr::LOCALHOST,
            IpAddr::V6(v6) if v6.is_loopback() => true,
            other => {
                other.is_unspecified() || self.blocks.iter().any(|block| block.contains(other))
            }
        }
    }
}

/// The blocks that `/proc/net/fib_trie` calls local. It is a tree of addresses, each followed by
/// its routes:
///
/// ```text
/// |-- 192.0.2.2
///    /32 host LOCAL
/// ```
fn ipv4_blocks(table: &str) -> Vec<Cidr> {
    let mut blocks = Vec::new();
    let mut address = "";
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["|--", leaf] => address = leaf,
            [bits, _, "LOCAL", ..] if bits.starts_with('/') => {
                if let Ok(block) = format!("{address}{bits}").parse() {
                    blocks.push(block);
                }
            }
            _ => {}
        }
    }
    // The main and the local table are the same tree unless there are policy rules.
    sort_by_key(&mut blocks, |block: &Cidr| format!("{block:?}"));
    blocks.dedup();
    blocks
}

/// The addresses of `/proc/net/if_inet6`: 32 hexadecimal digits begin each line.
fn ipv6_blocks(table: &str) -> Vec<Cidr> {
    let mut blocks = Vec::new();
    for line in table.lines() {
        let Some(digits) = line.split_whitespace().next() else { continue };
        let Ok(bits) = u128::from_str_radix(digits, 16) else { continue };
        if let (32, Ok(block)) = (digits.len(), Ipv6Addr::from_bits(bits).to_string().parse()) {
            blocks.push(block);
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{OwnAddresses, ipv4_blocks, ipv6_blocks};

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 192.0.2.0/24 2 0 2
        +-- 192.0.2.0/30 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.2
              /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
     |-- 198.51.100.16
        /28 host LOCAL
Local:
  +-- 192.0.2.0/24 2 0 2
     |-- 192.0.2.2
        /32 host LOCAL
";
    const IF_INET6: &str = "\
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000002 04 40 00 82     eth0
";

    #[test]
    fn what_is_this_host() {
        let mut blocks = ipv4_blocks(FIB_TRIE);
        blocks.extend(ipv6_blocks(IF_INET6));
        let own = OwnAddresses::of(blocks);
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("127.0.1.1", false),
            ("127.255.255.255", false),
            ("::ffff:127.0.0.1", true),
            ("::ffff:127.0.0.2", false),
            ("::1", true),
            ("0.0.0.0", true),
            ("::", true),
            ("192.0.2.2", true),
            ("::ffff:192.0.2.2", true),
            ("192.0.2.3", false),
            ("192.0.2.0", false),
            ("192.0.2.255", false),
            ("198.51.100.17", true),
            ("198.51.100.32", false),
            ("8.8.8.8", false),
            ("2001:db8::2", true),
            ("2001:db8::3", false),
            ("fe80::fc:ff:fe00:1", true),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(own.contains(address), expected, "{address}");
        }
    }

    #[test]
    fn nonsense_is_passed_over() {
        for table in ["", "|--\n/32 host LOCAL", "/32 host LOCAL", "|-- x\n/99 host LOCAL", "zz 0"]
        {
            assert!(ipv4_blocks(table).is_empty() && ipv6_blocks(table).is_empty(), "{table}");
        }
        assert!(ipv6_blocks("1 01 80 10 80 lo").is_empty(), "too few digits");
    }

    #[test]
    fn this_machine_has_its_loopback() {
        let own = OwnAddresses::read().unwrap();
        assert!(!own.blocks.is_empty());
        assert!(own.contains("127.0.0.1".parse().unwrap()));
        assert!(!own.contains("127.0.0.2".parse().unwrap()));
    }
}
