//! With which credentials a remote is reached: an ssh key, pinned host keys, a token. A secret never
//! enters an argument, an environment or git's configuration: ssh and a shell read it from its file.

use std::path::{Path, PathBuf};

use super::Git;
use super::guard::{self, Guard};
use super::remote_url::{Way, is_loopback, way_of};
use crate::problem::Problem;
use crate::sys;

/// Credentials for one repository, as files. What is not given comes from the tree owner's own git
/// and ssh configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Private key for ssh. With it, ssh tries no other key and reads no configuration.
    pub ssh_key_file: Option<PathBuf>,
    /// The host keys that ssh trusts. With it, ssh trusts no other and reads no configuration.
    pub known_hosts_file: Option<PathBuf>,
    /// A token for https, alone in its file. It is sent to the host of the remote and nowhere else.
    pub token_file: Option<PathBuf>,
}

/// What git is told about credentials.
#[derive(Debug, Clone, Default)]
pub(super) struct Means {
    /// `GIT_SSH_COMMAND`.
    pub(super) ssh: Option<String>,
    /// Settings, each `name=value`.
    pub(super) settings: Vec<String>,
    /// What to look at when the remote refuses.
    pub(super) hint: Option<String>,
    /// Why there are no credentials, though there should be: the remote is not asked without them.
    pub(super) lacking: Option<Problem>,
}

/// A token is one line of text; the longest in use (signed JSON) stay well below this.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// The user that a token is sent with when the URL names none: forges take any, and this is the
/// one that GitHub asks of installation tokens.
const TOKEN_USER: &str = "x-access-token";

impl Git<'_> {
    /// The same tree, reached with these credentials. Asks git for the address of the remote when
    /// there is a token.
    ///
    /// # Errors
    /// When a file is missing, open to others, not readable for the user that git runs as, or not
    /// for this kind of remote.
    pub fn with_access(mut self, remote: &str, access: &Access) -> Result<Self, Problem> {
        let mut url = String::new();
        if access.token_file.is_some() {
            // With the rewriting that the owner's configuration asks for (`url.*.insteadOf`).
            let told = self.check(&["ls-remote", "--get-url", "--", remote])?;
            url = told.text().trim_end().to_owned();
        }
        self.means = self.means_for(&url, access)?;
        Ok(self)
    }

    /// The same without the credentials that it should have: what needs no remote goes on.
    #[must_use]
    pub fn lacking_access(mut self, problem: Problem) -> Self {
        self.means.lacking = Some(problem);
        self
    }

    /// What git is told to reach `url` with these credentials.
    pub(super) fn means_for(&self, url: &str, access: &Access) -> Result<Means, Problem> {
        let reader = self.reader();
        let mut means = Means::default();
        if let Some(key) = &access.ssh_key_file {
            guard::check("repo.ssh_key_file", key, Guard::Secret, reader)?;
            means.hint = Some(format!("let the server accept the key {}", key.display()));
        }
        if let Some(known) = &access.known_hosts_file {
            guard::check("repo.known_hosts_file", known, Guard::Public, reader)?;
        }
        if access.ssh_key_file.is_some() || access.known_hosts_file.is_some() {
            means.ssh = Some(ssh_command(access)?);
        }
        if let Some(token) = &access.token_file {
            guard::check("repo.token_file", token, Guard::Secret, reader)?;
            check_token(token)?;
            means.settings = token_settings(url, token)?;
            means.hint = Some(format!(
                "check that the token in {} is valid and may read the repository",
                token.display()
            ));
        }
        Ok(means)
    }
}

/// An ssh that asks nothing, reads no configuration and shares no connection (`ssh_config(5)`).
fn ssh_command(access: &Access) -> Result<String, Problem> {
    let mut words: Vec<String> = ["ssh", "-F", "/dev/null"].map(str::to_owned).to_vec();
    let mut option = |text: String| words.extend(["-o".to_owned(), quoted(&text)]);
    for fixed in [
        "BatchMode=yes",
        "ConnectTimeout=20",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "VerifyHostKeyDNS=no",
        "ControlPath=none",
        "ForwardAgent=no",
    ] {
        option(fixed.to_owned());
    }
    if let Some(known) = &access.known_hosts_file {
        option(format!("UserKnownHostsFile=\"{}\"", ssh_path(known)?));
        option("GlobalKnownHostsFile=/dev/null".to_owned());
    }
    if let Some(key) = &access.ssh_key_file {
        option("IdentitiesOnly=yes".to_owned());
        option("IdentityAgent=none".to_owned());
        option(format!("IdentityFile=\"{}\"", ssh_path(key)?));
    }
    Ok(words.join(" "))
}

/// A path as ssh takes it in an option: it expands `%` and `${}`, and a quote ends the path.
fn ssh_path(path: &Path) -> Result<String, Problem> {
    match path.to_str() {
        Some(text) if !text.contains(['"', '$', '\\']) && !text.contains(char::is_control) => {
            Ok(text.replace('%', "%%"))
        }
        _ => Err(Problem::setup(
            "git_credentials",
            format!("ssh cannot be told the path {}", path.display()),
            "use a path without quotes, backslashes and dollar signs",
        )),
    }
}

/// A word of a shell command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Refuses a token that is none, before it fails in ways that are hard to read.
fn check_token(path: &Path) -> Result<(), Problem> {
    let shown = path.display();
    let content = sys::fs::read_bounded(path, TOKEN_BYTES_MAX).map_err(|cause| {
        Problem::setup(
            "git_credentials",
            format!("cannot read repo.token_file {shown}: {cause}"),
            "check the file and its folder",
        )
    })?;
    let token = content.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Problem::setup(
            "git_credentials",
            format!("repo.token_file {shown} does not hold a token"),
            "put the token into it, alone on one line",
        ));
    }
    Ok(())
}

/// A credential helper, in place of all others, that reads the token for the host of the remote.
fn token_settings(url: &str, token: &Path) -> Result<Vec<String>, Problem> {
    let refused = |why: String| {
        let way_out = "use an https address, or remove repo.token_file";
        Err(Problem::setup("git_credentials", why, way_out))
    };
    let Way::Http { protocol, host } = way_of(url) else {
        return refused(format!(
            "repo.token_file is for https, and the remote is {}",
            super::redact(url)
        ));
    };
    if protocol != "https" && !is_loopback(&host) {
        return refused(format!("the token would go unencrypted to {host}"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return refused(format!("the remote {} has no plain host name", super::redact(url)));
    }
    let Some(path) = token.to_str() else {
        return refused(format!("the path {} is not UTF-8", token.display()));
    };
    let helper = format!(
        "!f() {{ test \"$1\" = get || return 0; p= h= u=; \
         while IFS= read -r line && test -n \"$line\"; do case \"$line\" in \
         protocol={protocol}) p=1;; {host}) h=1;; username=*) u=1;; esac; done; \
         test \"$p$h\" = 11 || return 0; test -n \"$u\" || echo username={TOKEN_USER}; \
         printf password=; tr -d ' \\t\\r\\n' <{path}; echo; }}; f",
        host = quoted(&format!("host={host}")),
        path = quoted(path),
    );
    Ok(vec![
        "credential.helper=".to_owned(),
        format!("credential.helper={helper}"),
        // The owner's configuration may have switched this off for some other use.
        format!("http.{protocol}://{host}/.sslVerify=true"),
    ])
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Access, quoted, ssh_command, ssh_path, token_settings};

    #[test]
    fn ssh_gets_what_was_given_and_nothing_else() {
        let access = Access {
            ssh_key_file: Some(PathBuf::from("/etc/it's/100%")),
            known_hosts_file: Some(PathBuf::from("/etc/my hosts")),
            token_file: None,
        };
        let command = ssh_command(&access).unwrap();
        for part in [
            "ssh -F /dev/null ",
            "'StrictHostKeyChecking=yes'",
            "'BatchMode=yes'",
            "'IdentitiesOnly=yes'",
            r#"'IdentityFile="/etc/it'\''s/100%%"'"#,
            r#"'UserKnownHostsFile="/etc/my hosts"'"#,
            "'GlobalKnownHostsFile=/dev/null'",
        ] {
            assert!(command.contains(part), "{part} is not in {command}");
        }
        let only_hosts = Access { ssh_key_file: None, ..access };
        assert!(!ssh_command(&only_hosts).unwrap().contains("Identit"));
        for path in ["/a\"b", "/a${HOME}", "/a\nb", "/a\\b"] {
            assert!(ssh_path(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn a_token_goes_only_where_it_is_safe() {
        let cases = [
            ("https://git.example/x", true),
            ("https://git.example:8443/x", true),
            ("http://127.0.0.1:80/x", true),
            ("http://git.example/x", false),
            ("https:///x", false),
            ("https://a'b/x", false),
            ("ssh://git@git.example/x", false),
            ("git@git.example:x", false),
        ];
        for (url, expected) in cases {
            let settings = token_settings(url, Path::new("/etc/token"));
            assert_eq!(settings.is_ok(), expected, "{url}");
        }
        assert_eq!(quoted("a'b"), r"'a'\''b'");
    }
}
