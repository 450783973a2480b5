//! What the address of a remote means for credentials. Never keeps a password in it.

use crate::problem::Problem;

/// How a remote is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Over http or https: protocol, and host with its port as git tells credential helpers.
    Http {
        /// `http` or `https`.
        protocol: &'static str,
        /// `host` or `host:port`.
        host: String,
    },
    /// Over ssh, from a path, or by git's own protocol.
    Other,
}

/// Reads the address of a remote as git does (git-clone(1), "Git URLs").
pub(super) fn way_of(url: &str) -> Way {
    let lower = url.to_ascii_lowercase();
    let protocol = match (lower.starts_with("https://"), lower.starts_with("http://")) {
        (true, _) => "https",
        (false, true) => "http",
        (false, false) => return Way::Other,
    };
    let rest = &url[protocol.len() + 3..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Way::Http { protocol, host: host.to_owned() }
}

/// Whether the host of a URL is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next() == Some("::1");
    }
    let name = host.split(':').next().unwrap_or_default();
    let address: Result<std::net::Ipv4Addr, _> = name.parse();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Refuses an address that git would take for an option or a program, or that carries a password.
pub(super) fn check_url(url: &str) -> Result<(), Problem> {
    let bad = |why: &str, way_out: &str| {
        let message = format!("repo.url {} {why}", super::redact(url));
        Err(Problem::setup("repo_url", message, way_out))
    };
    if url.is_empty() || url.starts_with('-') || url.chars().any(char::is_control) {
        return bad("is not the address of a repository", "correct repo.url");
    }
    // `ext::sh -c …` runs a program (gitremote-helpers(7)); an IPv6 address has its colons in [].
    let scheme = url.split(['/', '[', '@']).next().unwrap_or_default();
    if scheme.contains("::") {
        return bad("names a program as its transport", "use https, ssh or a path");
    }
    let authority = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return bad(
            "has a password in it, which git would write to .git/config",
            "put it in a file that only you can read, and name that in repo.token_file",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Way, check_url, is_loopback, way_of};

    #[test]
    fn ways_are_read() {
        let http = |protocol, host: &str| Way::Http { protocol, host: host.to_owned() };
        let cases = [
            ("https://git.example/x.git", http("https", "git.example")),
            ("HTTPS://git.example:8443/x", http("https", "git.example:8443")),
            ("https://me@git.example", http("https", "git.example")),
            ("https://a@b@git.example/c@d", http("https", "git.example")),
            ("http://127.0.0.1:80?x", http("http", "127.0.0.1:80")),
            ("ssh://git@git.example/x", Way::Other),
            ("git@git.example:x.git", Way::Other),
            ("/srv/git/x.git", Way::Other),
        ];
        for (url, expected) in cases {
            assert_eq!(way_of(url), expected, "{url}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        let cases = [
            ("127.0.0.1", true),
            ("127.9.9.9:80", true),
            ("localhost:1", true),
            ("[::1]:1", true),
            ("[::2]", false),
            ("127.0.0.1.example.org", false),
            ("localhost.example.org", false),
            ("10.0.0.1", false),
            ("", false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn odd_addresses_are_refused() {
        let fine = [
            "https://me@git.example/x.git",
            "git@git.example:x.git",
            "ssh://git@[::1]:22/x",
            "[::1]:x.git",
            "/srv/a b.git",
            "../x",
        ];
        for url in fine {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in ["", "-x", "--upload-pack=x", "ext::sh -c id", "a\nb", "https://me:hunter2@h/x"]
        {
            let problem = check_url(url).unwrap_err();
            assert_eq!(problem.reason, "repo_url");
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
}
