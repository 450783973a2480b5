//! Images, as a scripted engine has them.

use crate::docker::digest::Digest;
use crate::docker::engine::ImageId;
use crate::docker::engine::tests::{answering, engine};
use crate::docker::reference::Reference;
use crate::sys::http::fake::answer;

#[test]
fn a_holder_has_nothing_of_its_own() {
    let (_dir, log, engine) = engine("1.41", |asked, out| match asked.line.contains("create") {
        true => answer(out, 201, &[], r#"{"Id":"h","Warnings":[]}"#),
        false => answer(
            out,
            200,
            &[],
            r#"{"Id":"sha256:1","Config":{"Volumes":{"/data":{}},
            "Labels":{"com.docker.compose.project":"theirs","maintainer":"me"}}}"#,
        ),
    });
    let engine = engine.unwrap();
    let image = engine.image(&Reference::parse("web:1").unwrap()).unwrap().unwrap();
    engine.hold(&image, "shop-web-kept-1").unwrap();
    let asked = log.all().pop().unwrap();
    assert_eq!(asked.line, "POST /v1.41/containers/create?name=shop-web-kept-1");
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "Image": "sha256:1",
            "Entrypoint": ["kept-for-an-undo-by-renew"],
            "Labels": { "com.docker.compose.project": "", "renew.holder": "true" },
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [{ "Type": "tmpfs", "Target": "/data" }],
            },
        })
    );
}

#[test]
fn many_images_in_one_request() {
    let (_dir, log, engine) = engine("1.41", |asked, out| {
        if asked.line.contains("/images/json?") {
            let body = r#"[{"Id":"sha256:1","RepoTags":["nginx:1","nginx:2"],"Created":1700000000,
                "RepoDigests":["nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],"Size":5},
                {"Id":"sha256:2","RepoTags":["<none>:<none>"],"RepoDigests":null}]"#;
            answer(out, 200, &[], body);
        } else if asked.line.ends_with("855/json") {
            let body = r#"{"Id":"sha256:9","Architecture":"amd64","Os":"linux",
                "Created":"2026-11-20T10:00:00Z"}"#;
            answer(out, 200, &[], body);
        } else {
            answer(out, 404, &[], "{}");
        }
    });
    let digest = Digest::of(b"");
    let texts = ["nginx:1", "docker.io/library/nginx:2", "nginx:3", "a/b", digest.as_str()];
    let pinned = format!("nginx@{digest}");
    let references: Vec<Reference> = texts
        .iter()
        .copied()
        .chain([pinned.as_str(), "nginx:1"])
        .map(|text| Reference::parse(text).unwrap())
        .collect();
    let found = engine.unwrap().images(&references).unwrap();
    let ids: Vec<_> = references
        .iter()
        .map(|reference| found[reference].as_ref().map_or("-", |image| image.id.as_str()))
        .collect();
    assert_eq!(ids, ["sha256:1", "sha256:1", "-", "-", "sha256:9", "sha256:1", "sha256:1"]);
    let nginx = found[&references[0]].as_ref().unwrap();
    assert!(nginx.has_digest("nginx", &digest) && !nginx.has_digest("other", &digest));
    assert_eq!((nginx.size, nginx.created.unwrap().timestamp()), (5, 1_700_000_000));
    let by_id = found[&references[4]].as_ref().unwrap();
    assert_eq!(by_id.architecture.as_deref(), Some("amd64"));
    assert_eq!(log.lines().len(), 5, "ping, list, and three that the list does not have");
}

#[test]
fn manifests_that_are_here() {
    let id = ImageId("sha256:1".to_owned());
    let body = r#"{"Id":"sha256:1","Manifests":[
        {"Kind":"image","Available":true,"Descriptor":{"digest":
         "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},
        {"Kind":"image","Available":false,"Descriptor":{"digest":
         "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}]}"#;
    let (_dir, log, engine) = answering(body);
    assert_eq!(engine.manifests(&id).unwrap(), [Digest::of(b"")]);
    assert_eq!(log.lines()[1], "GET /v1.41/images/sha256:1/json?manifests=1");
    let (_dir, _, engine) = answering(r#"{"Id":"sha256:1","Manifests":null}"#);
    assert!(engine.manifests(&id).unwrap().is_empty());
}
