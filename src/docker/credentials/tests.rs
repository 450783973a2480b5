//! Files and helpers as docker knows them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::{Credentials, Keychain, RegistryAuth, default_config_dir};
use crate::sys::exec::{Exec, Job, SystemExec};

fn keychain(dir: &Path) -> Keychain {
    Keychain {
        config_dir: dir.to_owned(),
        auth_config: None,
        helper_env: vec![("PATH".into(), format!("{}:/usr/bin:/bin", dir.display()).into())],
        exec: Arc::new(SystemExec::default()),
    }
}

fn password(user: &str, password: &str) -> RegistryAuth {
    RegistryAuth::Password { user: user.to_owned(), password: password.to_owned() }
}

/// What a configuration says about a registry.
fn found(config: &str, registry: &str) -> Result<Option<RegistryAuth>, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    keychain(dir.path()).find(registry).map_err(|error| error.to_string())
}

#[test]
fn stored_entries() {
    let token = RegistryAuth::IdentityToken("t".to_owned());
    // dTpwOnE= is u:p:q, dTpwAAA= is u:p and two NULs
    for (config, registry, wanted) in [
        (r#"{"auths":{"r:5":{"auth":"dTpwOnE="}}}"#, "r:5", Some(password("u", "p:q"))),
        (r#"{"auths":{"r:5":{"auth":"dTpwAAA="}}}"#, "r:5", Some(password("u", "p"))),
        (r#"{"auths":{"r:5":{"username":"u","password":"p"}}}"#, "r:5", Some(password("u", "p"))),
        (r#"{"auths":{"r":{"auth":"dTpw","identitytoken":"t"}}}"#, "r", Some(token)),
        (r#"{"auths":{"https://r:5/v1/":{"auth":"dTpw"}}}"#, "r:5", Some(password("u", "p"))),
        (r#"{"auths":{"r:5":{"auth":"dTpw"}}}"#, "r:6", None),
        (r#"{"auths":{"r":{"auth":"dTpw"}}}"#, "r.evil.example", None),
        (
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#,
            "docker.io",
            Some(password("u", "p")),
        ),
        (r#"{"auths":{"r":{}}}"#, "r", None),
        (
            r#"{"credHelpers":{"other":"x"},"auths":{"r":{"auth":"dTpw"}}}"#,
            "r",
            Some(password("u", "p")),
        ),
        (r#"{"credsStore":"","auths":{"r":{"auth":"dTpw"}}}"#, "r", Some(password("u", "p"))),
        ("{}", "r", None),
        ("  ", "r", None),
    ] {
        assert_eq!(found(config, registry).unwrap(), wanted, "{config}");
    }
}

#[test]
fn a_broken_file_is_named_and_not_quoted() {
    for config in [
        r#"{"auths": "hunter2"}"#,
        r#"{"auths":{"r":{"auth":"hunter2!"}}}"#,
        r#"{"auths":{"r":{"auth":"aHVudGVyMg=="}}}"#,
        r#"{"credsStore":"../hunter"}"#,
        "{",
    ] {
        let error = found(config, "r").unwrap_err();
        assert!(error.contains("config.json"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(keychain(dir.path()).find("r").unwrap(), None, "no file, no credentials");
}

#[test]
fn the_variable_comes_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = r#"{"auths":{"a":{"username":"file"},"b":{"username":"file"}}}"#;
    std::fs::write(dir.path().join("config.json"), file).unwrap();
    let mut keychain = keychain(dir.path());
    keychain.auth_config = Some(r#"{"auths":{"a":{"username":"variable"}}}"#.to_owned());
    assert_eq!(keychain.find("a").unwrap(), Some(password("variable", "")));
    assert_eq!(keychain.find("b").unwrap(), Some(password("file", "")));
    keychain.auth_config = Some("no json".to_owned());
    let error = keychain.find("a").unwrap_err().to_string();
    assert!(error.contains("DOCKER_AUTH_CONFIG"), "{error}");
}

/// A helper that notes what it was given and does what `body` says.
fn with_helper(config: &str, body: &str) -> (tempfile::TempDir, Keychain) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let path = dir.path().join("docker-credential-test-1");
    let script = format!("#!/bin/sh\necho \"$1 $(cat)\" > \"$DOCKER_CONFIG/asked\"\n{body}\n");
    // Written by a child: a descriptor of ours open for writing, inherited by a fork in another
    // thread, would make the helper's start fail with "text file busy".
    let mut job = Job::new("/bin/sh", Duration::from_secs(20));
    job = job.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&path);
    job.env = vec![("PATH".into(), "/usr/bin:/bin".into())];
    job.stdin = Some(script.into_bytes());
    assert!(SystemExec::default().run(&job).unwrap().ok());
    let keychain = keychain(dir.path());
    (dir, keychain)
}

#[test]
fn helpers() {
    let token = RegistryAuth::IdentityToken("t".to_owned());
    let everything = r#"{"credsStore":"test-1","auths":{"r":{"auth":"dTpw"}}}"#;
    let one = r#"{"credHelpers":{"r":"test-1"},"credsStore":"none"}"#;
    for (config, body, wanted) in [
        (one, r#"echo '{"Username":"u","Secret":"s"}'"#, Some(password("u", "s"))),
        (everything, r#"echo '{"Username":"<token>","Secret":"t"}'"#, Some(token)),
        (everything, "echo credentials not found in native keychain; exit 1", None),
    ] {
        let (dir, keychain) = with_helper(config, body);
        assert_eq!(keychain.find("r").unwrap(), wanted, "{body}");
        let asked = std::fs::read_to_string(dir.path().join("asked")).unwrap();
        assert_eq!(asked, "get r\n");
    }
}

#[test]
fn a_failing_helper_is_an_error() {
    let config = r#"{"credsStore":"test-1"}"#;
    for (body, wanted) in [
        ("echo locked; exit 1", "locked"),
        ("echo why >&2; exit 1", "why"),
        ("echo '{\"Username\":5,\"Secret\":\"hunter2\"}'", "not JSON"),
    ] {
        let (_dir, keychain) = with_helper(config, body);
        let error = keychain.find("r").unwrap_err().to_string();
        assert!(error.contains("docker-credential-test-1"), "{error}");
        assert!(error.contains(wanted) && !error.contains("hunter2"), "{error}");
    }
    let missing = found(r#"{"credsStore":"missing"}"#, "r").unwrap_err();
    assert!(missing.contains("docker-credential-missing"), "{missing}");
}

#[test]
fn headers_and_debug() {
    let auth = password("u", "hunter2?>");
    assert_eq!(auth.basic().unwrap(), "Basic dTpodW50ZXIyPz4=");
    assert!(!format!("{auth:?}").contains("hunter2"));
    let header = URL_SAFE.decode(auth.engine_header("docker.io")).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(value["username"], "u");
    assert_eq!(value["password"], "hunter2?>");
    assert_eq!(value["serveraddress"], "https://index.docker.io/v1/");
    let token = RegistryAuth::IdentityToken("hunter2".to_owned());
    assert_eq!(token.basic(), None);
    assert!(!format!("{token:?}").contains("hunter2"));
}

#[test]
fn where_the_configuration_lives() {
    let (config, home) = (Path::new("/c"), Path::new("/h"));
    assert_eq!(default_config_dir(Some(config), Some(home)), config);
    assert_eq!(default_config_dir(None, Some(home)), Path::new("/h/.docker"));
    assert_eq!(default_config_dir(None, None), Path::new("/root/.docker"));
}
