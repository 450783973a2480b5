//! Which signature a commit carries, and what the tools that check one say. Checks nothing itself.

/// What kind of signature a commit carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Made by `ssh-keygen -Y sign`.
    Ssh,
    /// Made by gpg.
    OpenPgp,
    /// Anything else, such as X.509.
    Other,
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not by one of the allowed keys.
    Unknown,
    /// The key, or the signature, is past its end or before its beginning.
    Expired,
    /// The owner of the key has called it back.
    Revoked,
    /// It does not fit the commit, or is no signature at all.
    Bad,
}

/// The signature in a raw commit object: the `gpgsig` header (gitformat-signature(5)).
pub(super) fn signature_in(commit: &[u8]) -> Option<(Format, Vec<u8>)> {
    let mut lines = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let first = lines.find_map(|line| {
        line.strip_prefix(b"gpgsig ").or_else(|| line.strip_prefix(b"gpgsig-sha256 "))
    })?;
    let mut signature = first.to_vec();
    signature.push(b'\n');
    for line in lines.map_while(|line| line.strip_prefix(b" ")) {
        signature.extend_from_slice(line);
        signature.push(b'\n');
    }
    let format = match () {
        () if first.starts_with(b"-----BEGIN SSH SIGNATURE-----") => Format::Ssh,
        () if first.starts_with(b"-----BEGIN PGP ") => Format::OpenPgp,
        () => Format::Other,
    };
    Some((format, signature))
}

/// What ssh-keygen means when it does not accept a signature.
pub(super) fn ssh_flaw(said: &str) -> Flaw {
    let has = |words: &str| said.contains(words);
    match () {
        // OpenSSH, sshsig.c: a listed key outside of its `valid-after` and `valid-before`.
        () if has("key has expired") || has("key is not yet valid") => Flaw::Expired,
        () if has("revoked") => Flaw::Revoked,
        // With no principal for the key, git still tells whether the signature fits.
        () if has("Good \"git\" signature") || has("No principal matched") => Flaw::Unknown,
        () => Flaw::Bad,
    }
}

/// What the status lines of gpg mean when it does not accept a signature (gnupg, doc/DETAILS).
pub(super) fn openpgp_flaw(said: &str) -> Flaw {
    let states: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] ")?.split_whitespace().next())
        .collect();
    let has = |state: &str| states.contains(&state);
    match () {
        () if has("BADSIG") => Flaw::Bad,
        () if has("REVKEYSIG") || has("KEYREVOKED") => Flaw::Revoked,
        () if has("EXPKEYSIG") || has("EXPSIG") => Flaw::Expired,
        () if has("NO_PUBKEY") => Flaw::Unknown,
        () => Flaw::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, Format, openpgp_flaw, signature_in, ssh_flaw};

    #[test]
    fn signatures_are_found_in_commits() {
        let commit = b"tree aa\nauthor a\ngpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n BB\n \
                       -----END SSH SIGNATURE-----\nencoding x\n\ntext\n";
        let (format, text) = signature_in(commit).unwrap();
        assert_eq!(format, Format::Ssh);
        let expected = "-----BEGIN SSH SIGNATURE-----\nAAAA\nBB\n-----END SSH SIGNATURE-----\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let cases: [(&[u8], Option<Format>); 5] = [
            (b"tree aa\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n\n", Some(Format::OpenPgp)),
            (b"tree aa\ngpgsig-sha256 -----BEGIN PGP MESSAGE-----\n\n", Some(Format::OpenPgp)),
            (b"tree aa\ngpgsig -----BEGIN SIGNED MESSAGE-----\n\n", Some(Format::Other)),
            (b"tree aa\n\ngpgsig -----BEGIN SSH SIGNATURE-----\n", None),
            (b"", None),
        ];
        for (commit, expected) in cases {
            assert_eq!(signature_in(commit).map(|(format, _)| format), expected);
        }
    }

    #[test]
    fn what_the_tools_say_is_understood() {
        let ssh = [
            (
                "Good \"git\" signature with ED25519 key SHA256:x\nNo principal matched.",
                Flaw::Unknown,
            ),
            ("No principal matched.", Flaw::Unknown),
            ("allowed:1: key has expired: verify time 2 > valid-before 1", Flaw::Expired),
            ("allowed:1: key is not yet valid: verify time 1 < valid-after 2", Flaw::Expired),
            ("Signature verification failed: incorrect signature", Flaw::Bad),
            ("", Flaw::Bad),
        ];
        for (said, expected) in ssh {
            assert_eq!(ssh_flaw(said), expected, "{said}");
        }
        let openpgp = [
            ("[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 1 Ada", Flaw::Bad),
            ("[GNUPG:] EXPKEYSIG 1 Ada\n[GNUPG:] VALIDSIG x", Flaw::Expired),
            ("[GNUPG:] KEYEXPIRED 1\n[GNUPG:] REVKEYSIG 1 Ada", Flaw::Revoked),
            ("[GNUPG:] ERRSIG 1 1 8 00\n[GNUPG:] NO_PUBKEY 1", Flaw::Unknown),
            ("gpg: NO_PUBKEY in a name", Flaw::Bad),
        ];
        for (said, expected) in openpgp {
            assert_eq!(openpgp_flaw(said), expected, "{said}");
        }
    }
}
