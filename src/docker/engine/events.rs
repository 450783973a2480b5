//! When containers ended and started, as far as the engine remembers. It keeps its last 256 events
//! (moby `daemon/events`), so what is not told may still have happened.

use chrono::{DateTime, Utc};

use super::containers::{PROJECT, instant};
use super::{Engine, EngineError, refusal, wire};
use crate::gather::sort_by_key;
use crate::sys::http::{Method, escape};

/// The label with the name of a compose service.
const SERVICE: &str = "com.docker.compose.service";

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its compose service.
    pub compose_service: String,
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: DateTime<Utc>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It ended.
    Died,
    /// It started.
    Started,
}

impl Engine {
    /// The ends and starts of a project's containers between two instants, in their order.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn events(
        &self,
        project: &str,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Event>, EngineError> {
        let filters = serde_json::json!({
            "type": ["container"],
            "event": ["die", "start"],
            "label": [format!("{PROJECT}={project}")],
        });
        let path = format!(
            "/events?since={}&until={}&filters={}",
            instant(since),
            instant(until.max(since)),
            escape(&filters.to_string())
        );
        let answer = self.send(&self.request(Method::Get, &path, self.limits.read))?;
        if answer.head.status != 200 {
            return Err(refusal(&path, &answer));
        }
        let mut events: Vec<Event> = serde_json::Deserializer::from_slice(&answer.body)
            .into_iter::<wire::Event>()
            .map_while(Result::ok)
            .filter_map(event)
            .collect();
        sort_by_key(&mut events, |event| event.at);
        Ok(events)
    }
}

fn event(told: wire::Event) -> Option<Event> {
    let kind = match told.action.as_str() {
        "die" => EventKind::Died,
        "start" => EventKind::Started,
        _ => return None,
    };
    let compose_service = told.actor.attributes.get(SERVICE)?.clone();
    Some(Event { compose_service, kind, at: DateTime::from_timestamp_nanos(told.time_nano) })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{Event, EventKind};
    use crate::docker::engine::tests::engine;
    use crate::sys::http::fake::answer;

    const TOLD: &str = r#"{"Type":"container","Action":"start","timeNano":2000000005,"Actor":{"ID":"b",
        "Attributes":{"com.docker.compose.service":"web"}}}
    {"Type":"container","Action":"die","timeNano":1000000000,"Actor":{"ID":"a",
        "Attributes":{"com.docker.compose.service":"web","exitCode":"0"}}}
    {"Type":"container","Action":"die","timeNano":1000000000,"Actor":{"ID":"c","Attributes":null}}
    "#;

    #[test]
    fn ends_and_starts_are_read_in_their_order() {
        let (_dir, log, engine) = engine("1.41", |_, out| answer(out, 200, &[], TOLD));
        let at = |ns| DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(ns);
        let found = engine.unwrap().events("shop", at(0), at(3_000_000_000)).unwrap();
        let web = |kind, ns| Event { compose_service: "web".to_owned(), kind, at: at(ns) };
        let expected =
            [web(EventKind::Died, 1_000_000_000), web(EventKind::Started, 2_000_000_005)];
        assert_eq!(found, expected);
        let asked = log.lines();
        assert!(asked.iter().any(|line| line.contains("since=0.000000000&until=3.0")), "{asked:?}");
    }
}
