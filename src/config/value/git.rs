//! What is handed to git: addresses, remote names and branch names. A value that git could take
//! for an option, a helper program or another ref never passes.

use crate::config::value::{Problem, plain};

/// The transports that renew lets git use.
const SCHEMES: &[&str] = &["https", "http", "ssh", "git", "file"];

/// Checks the address of a repository: a url, `user@host:path`, or an absolute path. The value may
/// hold credentials, so no message repeats it.
///
/// # Errors
/// An option, a transport helper (`ext::…`), an unknown scheme, or a relative path.
pub fn repository_url(text: &str) -> Result<String, Problem> {
    let forms = "write https://host/path, ssh://user@host/path, user@host:path or /absolute/path";
    plain(text)?;
    if text.starts_with('-') {
        return Err(Problem::new("begins with \"-\": git would take it for an option", forms));
    }
    if text.chars().any(char::is_whitespace) {
        return Err(Problem::new("holds a blank", forms));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return if !SCHEMES.contains(&scheme) {
            let known = format!("known schemes: {}", SCHEMES.join(", "));
            Err(Problem::new("uses a scheme that is not known", known))
        } else if rest.is_empty() || host.is_empty() && scheme != "file" {
            Err(Problem::new("names no host", forms))
        } else if host.starts_with('-') {
            Err(Problem::new("has a host that begins with \"-\"", forms))
        } else {
            Ok(text.to_owned())
        };
    }
    if text.contains("::") {
        let message = "names a transport helper, which could run any program";
        return Err(Problem::new(message, forms));
    }
    let scp_like = text.split_once(':').is_some_and(|(host, path)| {
        let bare = host.rsplit_once('@').map_or(host, |(_, bare)| bare);
        !host.contains('/') && !bare.is_empty() && !bare.starts_with('-') && !path.is_empty()
    });
    if scp_like || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is not the address of a repository", forms))
}

/// Checks the name of a branch, short form.
///
/// # Errors
/// What `git check-ref-format --branch` refuses, and full refs.
pub fn branch(text: &str) -> Result<String, Problem> {
    if text.starts_with("refs/") {
        let short = text.trim_start_matches("refs/heads/");
        return Err(Problem::new(
            format!("{text:?} is a full ref"),
            format!("write the short name, like {short:?}"),
        ));
    }
    if text == "HEAD" {
        return Err(Problem::new("\"HEAD\" is not a branch", "name the branch to follow"));
    }
    ref_name(text, "branch")
}

/// Checks the name of a remote.
///
/// # Errors
/// What cannot stand in `refs/remotes/<name>/`.
pub fn remote(text: &str) -> Result<String, Problem> {
    ref_name(text, "remote")
}

/// The rules of git-check-ref-format(1), in short.
fn ref_name(text: &str, what: &str) -> Result<String, Problem> {
    let bad = |why: &str| Err(format!("{text:?} cannot be the name of a {what}: {why}").into());
    let parts_ok = text.split('/').all(|part| {
        let starts = !part.is_empty() && !part.starts_with('.');
        starts && !part.to_ascii_lowercase().ends_with(".lock")
    });
    match text {
        "" => bad("it is empty"),
        "@" => bad("it is reserved"),
        _ if text.starts_with('-') => bad("it begins with \"-\""),
        _ if text.ends_with('.') || text.contains("..") || text.contains("@{") => {
            bad("it holds \"..\" or \"@{\", or ends with \".\"")
        }
        _ if text.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c)) => {
            bad("it holds a blank, a control character or one of ~^:?*[\\")
        }
        _ if !parts_ok => {
            bad("a part between slashes is empty, begins with \".\" or ends with \".lock\"")
        }
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{branch, remote, repository_url};

    #[test]
    fn addresses_git_may_get() {
        for text in [
            "https://git.example.org/ops/cluster.git",
            "https://user:secret@git.example.org:8443/x",
            "ssh://git@git.example.org:22/x",
            "git@git.example.org:ops/cluster.git",
            "git.example.org:ops/cluster.git",
            "/srv/git/cluster.git",
            "file:///srv/git/cluster.git",
        ] {
            assert!(repository_url(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn addresses_git_never_gets() {
        for (text, why) in [
            ("", "empty"),
            ("--upload-pack=touch /tmp/x", "option"),
            ("ext::sh -c true", "blank"),
            ("ext::sh", "helper"),
            ("fd::17", "helper"),
            ("ftp://h/x", "scheme"),
            ("https:///x", "no host"),
            ("ssh://-oProxyCommand=x/y", "begins with"),
            ("-oProxyCommand=x:y", "option"),
            ("git@-oProxyCommand=x:y", "not the address"),
            ("some/dir", "not the address"),
            ("https://h/a\nb", "control"),
        ] {
            let problem = repository_url(text).unwrap_err();
            assert!(problem.message.contains(why), "{text}: {}", problem.message);
            assert!(text.len() < 4 || !problem.message.contains(text), "value in the message");
        }
    }

    #[test]
    fn branches_and_remotes() {
        for text in ["main", "release/1.2", "a-b_c", "user@work"] {
            assert!(branch(text).is_ok() && remote(text).is_ok(), "{text}");
        }
        for text in [
            "", "-x", "--force", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b",
            "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a@{1}", "@", "a\u{7f}",
        ] {
            assert!(branch(text).is_err() && remote(text).is_err(), "{text:?}");
        }
        assert!(branch("HEAD").is_err());
        assert!(branch("refs/heads/main").unwrap_err().hint.unwrap().contains("\"main\""));
    }
}
