//! One line a case, after the tables of distribution/reference.

use super::{Digest, Reference};

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn names_are_read_as_docker_reads_them() {
    let at = format!("@sha256:{HEX}");
    // text, registry, repository, what is asked for, how it is listed, whether it moves
    for (text, registry, repository, target, listed) in [
        ("nginx", "docker.io", "library/nginx", "latest", "nginx:latest"),
        ("nginx:1.27", "docker.io", "library/nginx", "1.27", "nginx:1.27"),
        ("library/nginx", "docker.io", "library/nginx", "latest", "nginx:latest"),
        ("docker.io/nginx", "docker.io", "library/nginx", "latest", "nginx:latest"),
        ("docker.io/library/nginx:1", "docker.io", "library/nginx", "1", "nginx:1"),
        ("index.docker.io/nginx", "docker.io", "library/nginx", "latest", "nginx:latest"),
        ("docker.io/a/b", "docker.io", "a/b", "latest", "a/b:latest"),
        ("library/a/b", "docker.io", "library/a/b", "latest", "library/a/b:latest"),
        ("grafana/loki:3.0", "docker.io", "grafana/loki", "3.0", "grafana/loki:3.0"),
        ("ghcr.io/a/b/c:x", "ghcr.io", "a/b/c", "x", "ghcr.io/a/b/c:x"),
        ("localhost/a", "localhost", "a", "latest", "localhost/a:latest"),
        ("localhost:5000/a:b", "localhost:5000", "a", "b", "localhost:5000/a:b"),
        ("host:5000/library/a", "host:5000", "library/a", "latest", "host:5000/library/a:latest"),
        ("127.0.0.1:80/a", "127.0.0.1:80", "a", "latest", "127.0.0.1:80/a:latest"),
        ("[::1]:5000/a:t", "[::1]:5000", "a", "t", "[::1]:5000/a:t"),
        ("[2001:db8::1]/a", "[2001:db8::1]", "a", "latest", "[2001:db8::1]/a:latest"),
        ("Host/a", "Host", "a", "latest", "Host/a:latest"),
        ("host:5000", "docker.io", "library/host", "5000", "host:5000"),
        ("a--b/c__d.e_f:_T.1-x", "docker.io", "a--b/c__d.e_f", "_T.1-x", "a--b/c__d.e_f:_T.1-x"),
    ] {
        let reference = Reference::parse(text).unwrap();
        let named = reference.named().unwrap();
        assert_eq!(
            (named.registry(), named.repository(), named.target(), named.listed().as_str()),
            (registry, repository, target, listed),
            "{text}"
        );
        assert!(reference.is_moving() && !reference.is_image_id(), "{text}");

        let pinned = Reference::parse(&format!("{text}{at}")).unwrap();
        let named = pinned.named().unwrap();
        assert_eq!(named.repository(), repository, "{text}");
        assert_eq!(named.target(), &at[1..], "{text}");
        assert_eq!(named.listed(), format!("{}{at}", named.familiar_name()));
        assert!(!pinned.is_moving() && !pinned.is_image_id(), "{text}");
        let again = Reference::parse(&pinned.to_string()).unwrap();
        assert_eq!(again, pinned, "what is shown reads back");
    }
}

#[test]
fn ids_name_no_registry() {
    for text in [HEX.to_owned(), format!("sha256:{HEX}")] {
        let reference = Reference::parse(&text).unwrap();
        assert!(reference.is_image_id() && !reference.is_moving());
        assert_eq!(reference.named(), None);
        assert_eq!(reference.to_string(), format!("sha256:{HEX}"));
    }
    // A short id is a name to docker as well.
    assert!(Reference::parse("0123456789ab").unwrap().named().is_some());
}

#[test]
fn what_docker_refuses() {
    let long = |n: usize| "a".repeat(n);
    for text in [
        String::new(),
        ":tag".to_owned(),
        "a:".to_owned(),
        "a@".to_owned(),
        "a@sha256:abc".to_owned(),
        format!("a@sha512:{HEX}"),
        format!("a@sha256:{}", HEX.to_uppercase()),
        format!("a@sha256:{HEX}@sha256:{HEX}"),
        format!("@sha256:{HEX}"),
        "Nginx".to_owned(),
        "a/Nginx".to_owned(),
        "a//b".to_owned(),
        "/a".to_owned(),
        "a/".to_owned(),
        "a b".to_owned(),
        "a\n".to_owned(),
        "a:b c".to_owned(),
        "a:b:c".to_owned(),
        "a:.b".to_owned(),
        "a:-b".to_owned(),
        "-a".to_owned(),
        "a-".to_owned(),
        "a..b".to_owned(),
        "a___b".to_owned(),
        "a._b".to_owned(),
        "a.-b".to_owned(),
        "é".to_owned(),
        "https://ghcr.io/a".to_owned(),
        "-host.example/a".to_owned(),
        "host_.example/a".to_owned(),
        "host.example:port/a".to_owned(),
        "host.example:/a".to_owned(),
        "[::1/a".to_owned(),
        "[g::1]:5000/a".to_owned(),
        format!("a:{}", long(129)),
        format!("host.example/{}", long(243)),
    ] {
        assert!(Reference::parse(&text).is_err(), "{text:?}");
    }
    assert!(Reference::parse(&format!("a:{}", long(128))).is_ok());
    assert!(Reference::parse(&format!("host.example/{}", long(242))).is_ok());
}

#[test]
fn pinning_drops_the_tag() {
    let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
    let reference = Reference::parse("nginx:1.27").unwrap();
    let pinned = reference.named().unwrap().at(&digest);
    assert_eq!(pinned.to_string(), format!("nginx@sha256:{HEX}"));
}
