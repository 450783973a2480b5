//! Stories about targets with submodules or large file storage.

use renew::git::Unsupported;

use crate::world::World;

fn unsupported(world: &World) -> Vec<Unsupported> {
    let target = world.fetched();
    let git = world.open();
    git.unsupported(&git.list(&target.tree).unwrap()).unwrap()
}

#[test]
fn an_ordinary_target_costs_nothing_more() {
    let world = World::with(&[("a", "1"), ("sub/b", "1")]);
    let target = world.fetched();
    let git = world.open();
    let list = git.list(&target.tree).unwrap();
    world.exec.count();
    assert_eq!(git.unsupported(&list).unwrap(), []);
    assert_eq!(world.exec.count(), 0);
}

#[test]
fn submodules_and_large_files_are_named() {
    let world = World::with(&[("a", "1"), (".gitattributes", "*.sh text eol=lf\n")]);
    assert_eq!(unsupported(&world), []);
    world.git(
        &world.dev,
        &["update-index", "--add", "--cacheinfo", &format!("160000,{},lib/x", "1".repeat(40))],
    );
    world.git(&world.dev, &["commit", "-q", "-m", "a submodule"]);
    world.git(&world.dev, &["push", "-q", "origin", "HEAD:main"]);
    assert_eq!(unsupported(&world), [Unsupported::Submodule("lib/x".to_owned())]);
    let world =
        World::with(&[("web/.gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")]);
    let found = unsupported(&world);
    assert_eq!(found, [Unsupported::LargeFiles("web/.gitattributes".to_owned())]);
    assert_eq!(found[0].problem().reason, "unsupported_lfs");
}
