//! Reading what a service of a resolved model takes from other containers. Compose resolves none of
//! it: `service:x` and `container:x` stay as they were written.

use serde_json::Value;

use crate::decide::plan::{Parent, Shared, Tie};

/// What a service takes from others, each parent's most binding first.
pub fn of(service: &Value) -> Vec<Tie> {
    let mut ties = Vec::new();
    for shared in [Shared::Network, Shared::Ipc, Shared::Processes] {
        let Some(key) = shared.mode_key() else { continue };
        let parent = service[key].as_str().and_then(|mode| {
            let named = mode.strip_prefix("container:");
            named.map(|name| Parent::Container(name.to_owned())).or_else(|| {
                mode.strip_prefix("service:").map(|name| Parent::Service(name.to_owned()))
            })
        });
        ties.extend(parent.map(|parent| Tie { shared, parent }));
    }
    for from in service["volumes_from"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        ties.push(Tie { shared: Shared::Volumes, parent: volumes_parent(from) });
    }
    for (name, how) in service["depends_on"].as_object().into_iter().flatten() {
        let parent = Parent::Service(name.clone());
        // Compose says so of every namespace by itself.
        let tied = ties.iter().any(|tie| tie.parent == parent);
        if how["restart"] == true && !tied {
            ties.push(Tie { shared: Shared::Restarts, parent });
        }
    }
    ties
}

/// `x`, `x:ro`, `container:x` or `container:x:ro`.
fn volumes_parent(from: &str) -> Parent {
    let (container, name) = match from.strip_prefix("container:") {
        Some(rest) => (true, rest),
        None => (false, from),
    };
    let name = name.split(':').next().unwrap_or(name).to_owned();
    if container { Parent::Container(name) } else { Parent::Service(name) }
}
