//! Who may see credentials.

use super::super::route::Site;
use super::super::tests::{PASSWORD, Wallet, client, client_with, name};
use super::{Desk, is_own};
use crate::docker::credentials::{Credentials, CredentialsError, RegistryAuth};

#[test]
fn whose_token_server_it_is() {
    for (registry, server, own) in [
        ("registry-1.docker.io", "auth.docker.io", true),
        ("registry.gitlab.com", "gitlab.com", true),
        ("registry.git.example.com", "git.example.com", true),
        ("registry.git.example.com", "example.com", true),
        ("registry.example.com", "gitlab.example.com", false),
        ("one.dynamic.net", "other.dynamic.net", false),
        ("registry.example.com", "auth.registry.example.com", false),
        ("evilregistry.example.com", "registry.example.com", false),
        ("docker.elastic.co", "docker-auth.elastic.co", true),
        ("ghcr.io", "evil.io", false),
        ("ghcr.io", "io", false),
        ("registry.example.com", "example.com.evil.net", false),
        ("registry.example.com", "evilexample.com", false),
        ("registry.example.com", "evil.net", false),
        ("example.co.uk", "evil.co.uk", false),
        // Who runs co.uk decides who example.co.uk is anyway.
        ("example.co.uk", "co.uk", true),
        ("registry", "registry.evil.net", false),
        ("127.0.0.1", "10.0.0.1", false),
        ("127.0.0.1", "0.0.1", false),
        ("10.0.0.1", "0.1", false),
        ("10.0.0.1", "99.0.0.1", false),
    ] {
        assert_eq!(is_own(registry, server), own, "{registry} {server}");
    }
}

/// What a token server at `realm` would be shown by a client of the registry `at`.
fn shown(at: &str, realm: &str, auth: &RegistryAuth) -> Result<String, String> {
    let client = client(Wallet(Some(auth.clone())));
    let name = name(&format!("{at}/a:t"));
    let desk = Desk::of(&client, &name, &Site::of(at), realm).map_err(|error| error.to_string())?;
    let request = desk.request(&client, Some(auth), Some("s"), "x");
    let authorization = request.headers.iter().any(|(name, _)| name == "Authorization");
    let secret = String::from_utf8(request.body).unwrap().contains("hunter2");
    Ok(match (authorization, secret) {
        (true, false) => "password",
        (false, true) => "token",
        (false, false) => "nothing",
        (true, true) => "too much",
    }
    .to_owned())
}

#[test]
fn only_the_registrys_own_token_server_sees_credentials() {
    let password = RegistryAuth::Password { user: "u".to_owned(), password: PASSWORD.to_owned() };
    let token = RegistryAuth::IdentityToken(PASSWORD.to_owned());
    for (at, realm, wanted) in [
        ("r.example.com", "https://r.example.com/token", "own"),
        ("r.example.com:5000", "https://R.example.com:5001/token", "own"),
        ("r.example.com", "https://example.com/token", "own"),
        ("r.example.com", "https://auth.example.com/token", "nothing"),
        ("r.example.com", "https://evil.net/token", "nothing"),
        ("r.example.com", "https://r.example.com.evil.net/token", "nothing"),
        ("r.example.com", "https://127.0.0.1:1/token", "nothing"),
        ("r.example.com", "http://r.example.com/token", "refused"),
        ("r.example.com", "http://127.0.0.1:1/token", "refused"),
        ("r.example.com", "https://r.example.com@evil.net/token", "refused"),
        ("r.example.com", "https://evil.net\\@r.example.com/token", "refused"),
        ("r.example.com", "file:///etc/shadow", "refused"),
        ("r.example.com", "", "refused"),
        ("127.0.0.1:5000", "http://127.0.0.1:5001/token", "own"),
        ("127.0.0.1:5000", "http://127.0.0.2:5001/token", "refused"),
        ("127.0.0.1:5000", "http://localhost:5001/token", "refused"),
        ("127.0.0.1:5000", "http://evil.net/token", "refused"),
        ("127.0.0.1:5000", "https://evil.net/token", "nothing"),
    ] {
        for (auth, own) in [(&password, "password"), (&token, "token")] {
            let wanted = if wanted == "own" { own } else { wanted };
            let found = shown(at, realm, auth).unwrap_or_else(|error| {
                assert!(!error.contains("hunter2"), "{error}");
                "refused".to_owned()
            });
            assert_eq!(found, wanted, "{at} {realm} {auth:?}");
        }
    }
}

/// Different credentials for different hosts.
struct Drawers(Vec<(&'static str, RegistryAuth)>);

impl Credentials for Drawers {
    fn find(&self, registry: &str) -> Result<Option<RegistryAuth>, CredentialsError> {
        Ok(self.0.iter().find(|(name, _)| *name == registry).map(|(_, auth)| auth.clone()))
    }
}

#[test]
fn a_token_server_elsewhere_is_trusted_by_the_operators_word_only() {
    let auth = |password: &str| RegistryAuth::Password {
        user: "u".to_owned(),
        password: password.to_owned(),
    };
    let registry = ("r.example.com", auth(PASSWORD));
    for (kept, trusted) in [
        (vec![registry.clone()], false),
        (vec![registry.clone(), ("auth.example.com", auth(PASSWORD))], true),
        // Its own secret: the registry would get a token for whatever it asks.
        (vec![registry.clone(), ("auth.example.com", auth("another"))], false),
        (vec![("auth.example.com", auth(PASSWORD))], false),
    ] {
        let client = client_with(Drawers(kept.clone()));
        let at = "r.example.com";
        let realm = "https://auth.example.com/token";
        let desk = Desk::of(&client, &name("r.example.com/a:t"), &Site::of(at), realm).unwrap();
        let credentials = client.credentials.find(at).unwrap();
        assert!(!desk.own);
        assert_eq!(desk.has_the_same(&client, credentials.as_ref()), trusted, "{kept:?}");
    }
}
