//! Whether what was changed is good. The verdict comes from inspecting containers, never from
//! compose's exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Host;
use crate::decide::plan::Lifetime;
use crate::docker::engine::{ContainerId, HealthStatus, Healthcheck, Inspected, State};
use crate::docker::redact::Secrets;
use crate::problem::Problem;

/// How often the containers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a container without a health check must run on before it counts as running: one whose
/// command fails at once is still `running` for an instant.
const STEADY: Duration = Duration::from_secs(1);

/// The judgement on one changed compose service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Runs, and is healthy if it says so; a one-shot exited 0.
    Good,
    /// Still starting when the time was over.
    Starting,
    /// Not good, and why.
    Bad(Problem),
}

/// What to look for in one compose service.
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Whether it is meant to end.
    pub lifetime: Lifetime,
    /// Whether others wait for its end.
    pub must_end: bool,
    /// Its containers after the change.
    pub containers: Vec<ContainerId>,
    /// Those of them that this change did not start: their restarts so far are not its doing.
    pub ran_before: BTreeSet<ContainerId>,
}

/// What is known while the subjects are watched.
struct Watch<'a> {
    host: &'a Host<'a>,
    secrets: &'a Secrets,
    elapsed: Duration,
    patience: Duration,
    restarts: BTreeMap<ContainerId, u64>,
}

/// Watches the subjects until each is good or bad, or the time is over: `timeout`, or what a health
/// check needs to fail, if that is longer.
///
/// # Errors
/// When the engine does not answer, or we are asked to stop.
pub fn verify(
    host: &Host<'_>,
    subjects: &[Subject],
    timeout: Duration,
    secrets: &Secrets,
) -> Result<BTreeMap<String, Verdict>, Problem> {
    let start = host.clock.monotonic();
    let mut verdicts = BTreeMap::new();
    let (elapsed, restarts) = (Duration::ZERO, BTreeMap::new());
    let mut watch = Watch { host, secrets, elapsed, patience: timeout, restarts };
    loop {
        watch.elapsed = host.clock.monotonic() - start;
        for subject in subjects {
            let settled =
                matches!(verdicts.get(&subject.name), Some(Verdict::Good | Verdict::Bad(_)));
            if !settled {
                let verdict = watch.judge(subject)?;
                verdicts.insert(subject.name.clone(), verdict);
            }
        }
        let starting = verdicts.values().any(|verdict| *verdict == Verdict::Starting);
        if !starting || watch.elapsed >= watch.patience {
            return Ok(verdicts);
        }
        if host.cancel.is_set() {
            return Err(Problem::interrupted());
        }
        host.clock.sleep(LOOK_EVERY);
    }
}

/// Watches containers that are good for a while longer: whether any restarts, ends or turns unhealthy.
/// The verdicts are in the order of the subjects.
///
/// # Errors
/// When the engine does not answer, or we are asked to stop.
pub fn soak(
    host: &Host<'_>,
    subjects: &[Subject],
    time: Duration,
    secrets: &Secrets,
) -> Result<Vec<Verdict>, Problem> {
    let start = host.clock.monotonic();
    let restarts = BTreeMap::new();
    let mut watch = Watch { host, secrets, elapsed: STEADY, patience: time, restarts };
    let mut verdicts = vec![Verdict::Good; subjects.len()];
    loop {
        for (subject, verdict) in subjects.iter().zip(&mut verdicts) {
            if !matches!(verdict, Verdict::Bad(_)) {
                *verdict = watch.judge(subject)?;
            }
        }
        let bad = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Bad(_)));
        if bad || host.clock.monotonic() - start >= time {
            return Ok(verdicts);
        }
        if host.cancel.is_set() {
            return Err(Problem::interrupted());
        }
        host.clock.sleep(LOOK_EVERY);
    }
}

impl Watch<'_> {
    fn judge(&mut self, subject: &Subject) -> Result<Verdict, Problem> {
        if subject.containers.is_empty() {
            let message = format!("{} has no container after the change", subject.name);
            return Ok(bad("not_created", message, "look at compose's words in the log"));
        }
        let mut all = Verdict::Good;
        for id in &subject.containers {
            let Some(inspected) = self.host.engine()?.inspect(id)? else {
                let message = format!("a container of {} is gone again", subject.name);
                return Ok(bad("vanished", message, "somebody else works on this stack"));
            };
            let so_far = if subject.ran_before.contains(id) { inspected.restart_count } else { 0 };
            let before = *self.restarts.entry(id.clone()).or_insert(so_far);
            match self.judge_one(subject, &inspected, before) {
                Verdict::Good => {}
                Verdict::Starting => {
                    let check = inspected.healthcheck.as_ref().map(time_to_fail);
                    self.patience = self.patience.max(check.unwrap_or_default());
                    all = Verdict::Starting;
                }
                bad @ Verdict::Bad(_) => return Ok(bad),
            }
        }
        Ok(all)
    }

    fn judge_one(&self, subject: &Subject, seen: &Inspected, restarts: u64) -> Verdict {
        let name = &subject.name;
        let look = format!("look at `docker logs {}`", seen.name);
        let running = matches!(seen.state, State::Running | State::Paused);
        if seen.restart_count > restarts {
            let code = match seen.exit_code {
                0 => String::new(),
                code => format!(" (exit code {code})"),
            };
            return bad("restarting", format!("{name} restarts over and over{code}"), look);
        }
        if !running {
            return match (subject.lifetime, seen.exit_code) {
                (Lifetime::OneShot, 0) if seen.state == State::Exited => Verdict::Good,
                (_, code) => {
                    let why = match (seen.oom_killed, seen.error.as_str()) {
                        (true, _) => " (out of memory)".to_owned(),
                        (false, "") => String::new(),
                        (false, error) => format!(" ({})", self.secrets.hide(error)),
                    };
                    bad("exited", format!("{name} exited with code {code}{why}"), look)
                }
            };
        }
        match seen.health.as_ref().map(|health| &health.status) {
            Some(HealthStatus::Healthy) => Verdict::Good,
            Some(HealthStatus::Starting | HealthStatus::Unknown(_)) => Verdict::Starting,
            Some(HealthStatus::Unhealthy) => {
                bad("unhealthy", format!("{name} runs and its health check fails"), look)
            }
            None if subject.must_end => Verdict::Starting,
            None if self.elapsed < STEADY => Verdict::Starting,
            None => Verdict::Good,
        }
    }
}

/// How long a health check may take to say unhealthy.
fn time_to_fail(check: &Healthcheck) -> Duration {
    let once = check.interval.saturating_add(check.timeout);
    check.start_period.saturating_add(once.saturating_mul(check.retries.max(1)))
}

fn bad(reason: &'static str, message: String, resolution: impl Into<String>) -> Verdict {
    Verdict::Bad(Problem::engine(reason, message, resolution))
}
