//! One host of the prober's tests: a clock that moves only when somebody waits, a resolver that
//! knows five names, a network that answers by a script. It never touches the real ones.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::decide::gate::{LocalUrl, Stopping, Works};
use crate::health::{History, Identity, Opinion, Prober, Question, Target};
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::http::{Head, Http, HttpError, Lines, Request, Response};
use crate::sys::interfaces::OwnAddresses;
use crate::sys::names::{NameError, Names};

pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A clock that moves only when somebody waits.
#[derive(Default)]
pub(super) struct FakeClock(Mutex<Duration>);

impl FakeClock {
    pub(super) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, pause: Duration) {
        self.pass(pause);
    }
}

pub(super) type Script<'a> = dyn Fn(&Request, usize) -> Result<u16, HttpError> + Send + Sync + 'a;

/// A network that answers by a script, which is told how many requests came before.
pub(super) struct Net<'a> {
    script: Box<Script<'a>>,
    pub(super) asked: Mutex<Vec<Request>>,
}

impl<'a> Net<'a> {
    pub(super) fn new(
        script: impl Fn(&Request, usize) -> Result<u16, HttpError> + Send + Sync + 'a,
    ) -> Net<'a> {
        Net { script: Box::new(script), asked: Mutex::default() }
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|request| request.url.clone()).collect()
    }
}

impl Http for Net<'_> {
    fn send(&self, _: &Request) -> Result<Response, HttpError> {
        panic!("a probe reads no body");
    }
    fn head(&self, request: &Request) -> Result<Head, HttpError> {
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.clone());
            asked.len() - 1
        };
        let status = (self.script)(request, count)?;
        Ok(Head { status, headers: Vec::new() })
    }
    fn open(&self, _: &Request) -> Result<Lines, HttpError> {
        panic!("a probe reads no stream");
    }
}

/// Names and their addresses; any other name is unknown.
pub(super) struct Zone(pub(super) BTreeMap<&'static str, &'static str>);

impl Names for Zone {
    fn addresses(&self, host: &str, limit: Duration) -> Result<Vec<IpAddr>, NameError> {
        match (host.parse(), self.0.get(host)) {
            (Ok(address), _) => Ok(vec![address]),
            (_, Some(&"never")) => Err(NameError::Timeout(limit)),
            (_, Some(list)) => Ok(list.split(' ').map(|text| text.parse().unwrap()).collect()),
            (_, None) => Err(NameError::Unknown("no such host".into())),
        }
    }
}

/// One host with everything a prober needs.
pub(super) struct Host<'a> {
    pub(super) net: Net<'a>,
    pub(super) zone: Zone,
    pub(super) clock: FakeClock,
    pub(super) cancel: Cancel,
    pub(super) identity: Identity,
}

impl<'a> Host<'a> {
    /// A host named `web1` at 192.0.2.1.
    pub(super) fn new(
        script: impl Fn(&Request, usize) -> Result<u16, HttpError> + Send + Sync + 'a,
    ) -> Host<'a> {
        Host {
            net: Net::new(script),
            zone: Zone(BTreeMap::from([
                ("alias", "192.0.2.1"),
                ("both", "192.0.2.2 2001:db8::1"),
                ("web2", "192.0.2.2"),
                ("web3", "192.0.2.3"),
                ("dead-dns", "never"),
            ])),
            clock: FakeClock::default(),
            cancel: Cancel::default(),
            identity: Identity {
                names: vec!["web1".into(), "web1.lan".into()],
                addresses: Ok(OwnAddresses::of(vec![
                    "192.0.2.1".parse().unwrap(),
                    "2001:db8::1".parse().unwrap(),
                ])),
            },
        }
    }

    pub(super) fn prober(&self) -> Prober<'_> {
        Prober {
            http: &self.net,
            names: &self.zone,
            clock: &self.clock,
            cancel: &self.cancel,
            identity: &self.identity,
        }
    }

    pub(super) fn local(&self, history: History) -> LocalUrl {
        self.prober().local(&Target::new("http://localhost.lan.test/"), history, PATIENCE).unwrap()
    }

    pub(super) fn ask(&self, peers: &[&str], local: Option<&str>, works: &[Works]) -> Opinion {
        let targets: Vec<Target> = peers.iter().map(|url| Target::new(url)).collect();
        let local = local.map(Target::new);
        let stopping =
            works.iter().map(|works| Stopping { name: "c".into(), works: works.clone() });
        let question = Question {
            required: 1,
            peers: &targets,
            local: local.as_ref(),
            history: History::Answered,
            stopping: &stopping.collect::<Vec<_>>(),
            timeout: PATIENCE,
        };
        self.prober().ask(&question).unwrap()
    }
}
