//! What a person can do about the words of compose and the engine, which have no codes for it. What is
//! not known is passed on as it is: these words only ever improve a message, and decide nothing.

/// The key and the way out of a complaint, if it is a known one.
#[must_use]
pub fn way_out(words: &str) -> Option<(&'static str, String)> {
    let has = |part: &str| words.contains(part);
    if has("address already in use") || has("port is already allocated") {
        let way = "see who has the port with `ss -lntup`, or publish another one";
        Some(("port_taken", way.to_owned()))
    } else if let Some(name) = missing(words, "network ") {
        Some(("network_missing", format!("`docker network create {name}`")))
    } else if let Some(name) = missing(words, "external volume ") {
        Some(("volume_missing", format!("`docker volume create {name}`")))
    } else if has("is already in use by container") {
        let way = "rename or remove the container that has the name, or choose another";
        Some(("name_taken", way.to_owned()))
    } else if has("error gathering device information") {
        Some(("device_missing", "attach the device, or take it out of `devices:`".to_owned()))
    } else if has("bind source path does not exist") {
        Some(("mount_missing", "make the path on this host, or correct `volumes:`".to_owned()))
    } else if has("No such container")
        || (has("removal of container") && has("already in progress"))
        || has("is marked for removal")
    {
        // Compose had it a moment before.
        Some(("vanished", "somebody else works on this stack; the next run takes it up".to_owned()))
    } else if has("exec format error") {
        let way = "the program is for another processor: push an image for this one";
        Some(("image_platform", way.to_owned()))
    } else if has("no space left on device") {
        let way = "docker's disk is full: free space there, see `docker system df` and \
                   `docker image prune`; renew tries again by itself";
        Some(("disk_full", way.to_owned()))
    } else {
        None
    }
}

/// The name in `network NAME not found`, `network NAME declared as external, but could not be found`
/// and the like, with or without quotes.
fn missing<'w>(words: &'w str, kind: &str) -> Option<&'w str> {
    let mut found = words.match_indices(kind).filter_map(|(at, _)| {
        let rest = words.get(at + kind.len()..)?;
        let (name, after) = rest.split_once(' ')?;
        let gone = after.starts_with("not found") || after.starts_with("declared as external, but");
        gone.then_some(name.trim_matches('"'))
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::way_out;

    #[test]
    fn known_complaints() {
        for (words, wanted) in [
            ("listen tcp4 0.0.0.0:80: bind: address already in use", "port_taken: see who"),
            ("Bind for 0.0.0.0:80 failed: port is already allocated", "port_taken: see who"),
            ("network back not found", "network_missing: `docker network create back`"),
            (
                "network back declared as external, but could not be found",
                "network_missing: `docker network create back`",
            ),
            ("external volume \"data\" not found", "volume_missing: `docker volume create data`"),
            ("The container name \"/x\" is already in use by container \"1\"", "name_taken"),
            ("error gathering device information while adding", "device_missing"),
            ("bind source path does not exist: /x", "mount_missing"),
            ("exec /bin/sh: exec format error", "image_platform"),
            ("write /var/lib/docker/x: no space left on device", "disk_full"),
            ("Error response from daemon: No such container: 88b0", "vanished: somebody else"),
            ("removal of container 88b0 is already in progress", "vanished: somebody else"),
            ("container is marked for removal and cannot be started", "vanished: somebody else"),
            ("a network of strange words", "none"),
            ("", "none"),
        ] {
            let found = way_out(words).map(|(reason, way)| format!("{reason}: {way}"));
            let found = found.unwrap_or_else(|| "none".to_owned());
            assert!(found.starts_with(wanted), "{words}: {found}");
        }
    }
}
