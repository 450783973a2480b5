//! Whether a commit is signed by somebody who may. Judges the commit alone, never its parents: a
//! signature vouches for the tree and for all history below it.

use std::fs;
use std::path::{Path, PathBuf};

use super::Git;
use super::guard::{self, Guard};
use super::room::{Room, tool_missing};
use super::signature::{Flaw, Format, openpgp_flaw, signature_in, ssh_flaw};
use crate::problem::Problem;
use crate::sys;

/// The name of the list in messages.
const FIELD: &str = "repo.allowed_signers";

/// A list of signers is text or keys of people; a thousand OpenPGP keys stay below this.
const SIGNERS_BYTES_MAX: u64 = 16 << 20;

/// gpg as `gpgv` is, but with expiry and revocation: the keys of its keyring count and no others,
/// nothing is asked for over the network, and no agent is started.
const GPG_CONF: &str = "batch\nno-tty\nno-autostart\ntrust-model always\nno-auto-key-retrieve\n\
                        no-auto-key-import\nauto-key-locate local\ndisable-dirmngr\nno-greeting\n\
                        weak-digest SHA1\n";

/// Whose signature makes a commit acceptable.
#[derive(Debug)]
pub struct Trust {
    path: PathBuf,
    signers: Signers,
}

#[derive(Debug)]
enum Signers {
    /// An allowed-signers file (ssh-keygen(1)).
    Ssh(Vec<u8>),
    /// Exported OpenPGP keys, armored or not.
    OpenPgp(Vec<u8>),
    /// A keybox of gpg, as `pubring.kbx` is.
    Keybox(Vec<u8>),
}

impl Trust {
    /// Reads an ssh allowed-signers file or an OpenPGP keyring, told apart by content.
    ///
    /// # Errors
    /// When the file cannot be read, holds no key, can be changed by others, or lies in the tree
    /// that it judges.
    pub fn read(path: &Path, git: &Git<'_>) -> Result<Trust, Problem> {
        let shown = path.display();
        let bad = |why: &str, way_out: &str| {
            Problem::setup("allowed_signers", format!("{FIELD} {shown} {why}"), way_out)
        };
        // It is read by us and handed on as a copy: only who may write it matters.
        guard::check(FIELD, path, Guard::Public, guard::Reader::ourselves()).map_err(
            |mut problem| {
                problem.reason = "allowed_signers".into();
                problem
            },
        )?;
        if fs::canonicalize(path).is_ok_and(|real| git.inside(&real).is_some()) {
            return Err(bad(
                "lies in the working tree: a commit could bring its own signers",
                "keep it outside, such as in /etc/renew",
            ));
        }
        let content = sys::fs::read_bounded(path, SIGNERS_BYTES_MAX)
            .map_err(|cause| bad(&format!("cannot be read: {cause}"), "check the file"))?;
        let signers = classify(content).ok_or_else(|| {
            bad(
                "holds no key",
                "list signers as ssh-keygen(1) says, or export OpenPGP keys into it",
            )
        })?;
        Ok(Trust { path: path.to_path_buf(), signers })
    }

    /// Accepts a commit that one of the signers signed, with a key that was valid at the time of
    /// the commit and is valid now: the first alone would let the holder of an expired key date a
    /// commit back. So ask only for commits that were not accepted before.
    ///
    /// # Errors
    /// `unsigned`, `unknown_signer`, `key_expired`, `key_revoked` or `bad_signature`; or the tools
    /// are missing.
    pub fn verify(&self, git: &Git<'_>, commit: &str) -> Result<(), Problem> {
        let raw = git.check(&["cat-file", "commit", commit])?.stdout;
        let Some((format, signature)) = signature_in(&raw) else {
            return Err(Problem::setup(
                "unsigned",
                format!("commit {commit} is not signed"),
                format!("sign it (`git commit -S`) with a key of {}", self.path.display()),
            ));
        };
        let room = Room::of(git)?;
        match (&self.signers, format) {
            (Signers::Ssh(list), Format::Ssh) => self.by_ssh(git, commit, &room, list, &signature),
            (Signers::OpenPgp(keys), Format::OpenPgp) => {
                room.put("gpg.conf", GPG_CONF.as_bytes())?;
                room.put("keys", keys)?;
                let imported = room.run("gpg", &["--import", "keys"])?;
                log::debug!("gpg --import: {}", imported.complaint());
                self.by_openpgp(git, commit, &room)
            }
            (Signers::Keybox(keys), Format::OpenPgp) => {
                room.put("gpg.conf", GPG_CONF.as_bytes())?;
                room.put("pubring.kbx", keys)?;
                self.by_openpgp(git, commit, &room)
            }
            (_, Format::Ssh | Format::OpenPgp | Format::Other) => {
                Err(self.refusal(commit, Flaw::Unknown, "it is a signature of another kind"))
            }
        }
    }

    fn by_ssh(
        &self,
        git: &Git<'_>,
        commit: &str,
        room: &Room<'_>,
        list: &[u8],
        signature: &[u8],
    ) -> Result<(), Problem> {
        let file = room.put("allowed_signers", list)?;
        let setting = format!("gpg.ssh.allowedSignersFile={}", file.display());
        let done = git.run(&[&ONLY_SSH[..], &["-c", &setting], &VERIFY, &[commit]].concat())?;
        if !done.ok() {
            let said = done.complaint();
            return Err(match said.contains("cannot run ssh-keygen") {
                true => tool_missing("ssh-keygen"),
                false => self.refusal(commit, ssh_flaw(&said), &said),
            });
        }
        // Git asks whether the key was valid at the time that the commit itself tells.
        room.put("signature", signature)?;
        let find = ["-Y", "find-principals", "-s", "signature", "-f", "allowed_signers"];
        let done = room.run("ssh-keygen", &find)?;
        if done.ok() {
            return Ok(());
        }
        let said = done.complaint();
        Err(self.refusal(commit, ssh_flaw(&said), &said))
    }

    fn by_openpgp(&self, git: &Git<'_>, commit: &str, room: &Room<'_>) -> Result<(), Problem> {
        let mut git = git.clone();
        git.env.push(("GNUPGHOME".into(), room.path().to_path_buf()));
        let done = git.run(&[&ONLY_OPENPGP[..], &VERIFY, &[commit]].concat())?;
        if done.ok() {
            return Ok(());
        }
        let said = done.complaint();
        Err(match said.contains("cannot run gpg") {
            true => tool_missing("gpg"),
            false => self.refusal(commit, openpgp_flaw(&said), &said),
        })
    }

    fn refusal(&self, commit: &str, flaw: Flaw, said: &str) -> Problem {
        let list = self.path.display();
        let (reason, what, way_out) = match flaw {
            Flaw::Unknown => (
                "unknown_signer",
                "is signed by nobody who may",
                format!("sign it with a key of {list}, or add the key of its signer there"),
            ),
            Flaw::Expired => (
                "key_expired",
                "is signed with a key that is not valid at this time",
                format!("sign it with a valid key, or renew the key in {list}; check the clock"),
            ),
            Flaw::Revoked => (
                "key_revoked",
                "is signed with a key that its owner called back",
                "sign it with another key, and find out who pushed it".to_owned(),
            ),
            Flaw::Bad => (
                "bad_signature",
                "has a signature that does not fit it",
                "sign it again; a commit that was tampered with looks like this".to_owned(),
            ),
        };
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Problem::setup(reason, format!("commit {commit} {what}: {}", said.join(", ")), way_out)
    }
}

/// The command that checks a signature, and shows what the tool said.
const VERIFY: [&str; 2] = ["verify-commit", "--raw"];

/// Settings with which nothing but an ssh signature can pass.
const ONLY_SSH: [&str; 8] = [
    "-c",
    "gpg.ssh.program=ssh-keygen",
    "-c",
    "gpg.openpgp.program=false",
    "-c",
    "gpg.x509.program=false",
    "-c",
    "gpg.minTrustLevel=undefined",
];

/// Settings with which nothing but an OpenPGP signature can pass.
const ONLY_OPENPGP: [&str; 8] = [
    "-c",
    "gpg.openpgp.program=gpg",
    "-c",
    "gpg.ssh.program=false",
    "-c",
    "gpg.x509.program=false",
    "-c",
    "gpg.minTrustLevel=undefined",
];

/// What a list of signers is; nothing when it holds none.
fn classify(content: Vec<u8>) -> Option<Signers> {
    let armor = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    // RFC 4880, 4.2: every packet begins with a set bit, a public key has tag 6.
    let packet = matches!(content.first(), Some(0x98..=0x9b | 0xc6));
    match () {
        () if content.get(8..12) == Some(b"KBXf") => Some(Signers::Keybox(content)),
        () if packet || content.windows(armor.len()).any(|part| part == armor) => {
            Some(Signers::OpenPgp(content))
        }
        () => {
            let text = std::str::from_utf8(&content).ok()?;
            let is_key = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
            text.lines().any(is_key).then_some(Signers::Ssh(content))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Signers, classify};

    #[test]
    fn lists_are_told_apart_by_content() {
        let name = |content: &[u8]| {
            classify(content.to_vec()).map_or("none", |signers| match signers {
                Signers::Ssh(_) => "ssh",
                Signers::OpenPgp(_) => "openpgp",
                Signers::Keybox(_) => "keybox",
            })
        };
        let cases: [(&[u8], &str); 8] = [
            (b"ada@example.org ssh-ed25519 AAAA", "ssh"),
            (b"# nobody yet\n\n", "none"),
            (b"", "none"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "openpgp"),
            (b"pub of Ada\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "openpgp"),
            (b"\x99\x01\x0d\x04", "openpgp"),
            (b"\0\0\0\x20\x01\x01\0\x02KBXf\0", "keybox"),
            (b"\xff\xfe", "none"),
        ];
        for (content, expected) in cases {
            assert_eq!(name(content), expected, "{content:?}");
        }
    }
}
