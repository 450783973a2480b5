//! Stories about tokens: sent to the host of the remote over http, and seen nowhere else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use renew::git::{Access, Git, Source};
use renew::problem::Problem;

use crate::web::{Manner, Web};
use crate::world::{World, snapshot, write};

const TOKEN: &str = "ghs_hunter2hunter2";
const SENT: &str = "x-access-token:ghs_hunter2hunter2";

pub fn token_file(world: &World, content: &str) -> PathBuf {
    let path = world.root.path().join("the token's file");
    write(&path, content);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn with_token(path: &Path) -> Access {
    Access { token_file: Some(path.to_path_buf()), ..Access::default() }
}

/// A world whose host knows its remote by this address.
fn world_at(url: impl Fn(&World) -> String) -> World {
    let world = World::with(&[("a", "1")]);
    set_url(&world, &url(&world));
    world
}

pub fn set_url(world: &World, url: &str) {
    world.git(&world.host, &["remote", "set-url", "origin", url]);
    world.git(&world.host, &["config", "http.proxy", ""]);
}

fn open<'w>(world: &'w World, access: &Access) -> Result<Git<'w>, Problem> {
    world.open().with_access("origin", access)
}

#[test]
fn a_token_is_sent_and_told_nobody_else() {
    let world = World::with(&[("a", "1")]);
    let web = Web::start(Manner::Serve(world.root.path().to_path_buf(), SENT));
    set_url(&world, &web.url("remote.git"));
    let file = token_file(&world, &format!("{TOKEN}\r\n"));
    let id = world.publish(&[("a", "2")]);
    let git = open(&world, &with_token(&file)).unwrap();
    let looked = git.look("origin", "main").unwrap();
    assert_eq!(looked.target.id, id);
    git.fetch("origin", "main").unwrap();
    assert_eq!(git.standing("origin", "main").unwrap().upstream.unwrap().id, id);
    let seen = web.seen();
    assert!(!seen.credentials.is_empty() && seen.credentials.iter().all(|sent| sent == SENT));
    assert_eq!(seen.leaks, Vec::<String>::new());
    for (path, (_, _, _, content)) in snapshot(world.root.path()) {
        let told = content.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
        assert!(!told || path == file, "{}", path.display());
    }
    let refused = world.open().fetch("origin", "main").unwrap_err();
    assert_eq!(refused.reason, "git_auth", "without the token: {refused}");
}

#[test]
fn the_user_in_the_address_stays() {
    let world = World::with(&[("a", "1")]);
    let web = Web::start(Manner::Serve(world.root.path().to_path_buf(), "deploy:tok"));
    set_url(&world, &web.url("remote.git").replace("127.0.0.1", "deploy@127.0.0.1"));
    let file = token_file(&world, "tok");
    open(&world, &with_token(&file)).unwrap().fetch("origin", "main").unwrap();
}

#[test]
fn a_token_is_not_sent_to_another_host() {
    let world = World::with(&[("a", "1")]);
    let thief = Web::start(Manner::Refuse);
    let web = Web::start(Manner::Redirect(thief.url("").trim_end_matches('/').to_owned()));
    set_url(&world, &web.url("remote.git"));
    let file = token_file(&world, TOKEN);
    let git = open(&world, &with_token(&file)).unwrap();
    let problem = git.fetch("origin", "main").unwrap_err();
    assert_eq!(problem.reason, "git_auth", "{problem}");
    assert_eq!(thief.seen().credentials, Vec::<String>::new());
    assert_eq!(web.seen().credentials, Vec::<String>::new());
}

#[test]
fn a_token_that_is_refused_is_named_by_its_file_only() {
    let world = World::with(&[("a", "1")]);
    let web = Web::start(Manner::Refuse);
    set_url(&world, &web.url("remote.git"));
    let file = token_file(&world, TOKEN);
    let problem = open(&world, &with_token(&file)).unwrap().fetch("origin", "main").unwrap_err();
    assert_eq!(problem.reason, "git_auth");
    assert!(problem.resolution.contains("the token's file"), "{problem}");
    assert!(!problem.to_string().contains(TOKEN), "{problem}");
    assert_eq!(web.seen().credentials[0], SENT);
}

#[test]
fn a_token_has_to_be_private_and_for_https() {
    let world = world_at(|_| "https://git.invalid/x.git".to_owned());
    let file = token_file(&world, TOKEN);
    let refusal = |access: &Access| match open(&world, access) {
        Ok(_) => panic!("accepted"),
        Err(problem) => {
            assert_eq!(problem.reason, "git_credentials");
            assert!(!problem.to_string().contains(TOKEN), "{problem}");
            problem.to_string()
        }
    };
    assert!(open(&world, &with_token(&file)).is_ok());
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    assert!(refusal(&with_token(&file)).contains("chmod 600"));
    for content in ["", "\n", "two words", "two\nlines"] {
        assert!(refusal(&with_token(&token_file(&world, content))).contains("hold a token"));
    }
    assert!(refusal(&with_token(Path::new("/no/such/token"))).contains("cannot open"));
    let file = token_file(&world, TOKEN);
    set_url(&world, "http://git.invalid/x.git");
    assert!(refusal(&with_token(&file)).contains("unencrypted"));
    set_url(&world, "git@git.invalid:x.git");
    assert!(refusal(&with_token(&file)).contains("https"));
}

#[test]
fn a_repository_is_cloned_with_a_token() {
    let world = World::with(&[("a", "1")]);
    let web = Web::start(Manner::Serve(world.root.path().to_path_buf(), SENT));
    let file = token_file(&world, TOKEN);
    let (url, dir) = (web.url("remote.git"), world.root.path().join("made/tree"));
    let source = Source { url: &url, remote: "up", branch: "main" };
    let clone = |access: &Access| {
        Git::clone_to(&source, &dir, access, Duration::from_secs(60), &world.exec).map(|_| ())
    };
    assert_eq!(clone(&Access::default()).unwrap_err().reason, "git_auth");
    assert!(!dir.exists());
    clone(&with_token(&file)).unwrap();
    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "1");
    let config = fs::read_to_string(dir.join(".git/config")).unwrap();
    assert!(config.contains(&url) && !config.contains("credential"), "{config}");
    assert_eq!(web.seen().leaks, Vec::<String>::new());
}
