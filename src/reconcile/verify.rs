//! Whether what was changed is good. The verdict comes from inspecting containers, never from
//! compose's exit code.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Host;
use crate::decide::plan::Lifetime;
use crate::docker::engine::{ContainerId, HealthStatus, Inspected, State};
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
}

/// Watches the subjects until each is good or bad, or `timeout` is over.
///
/// # Errors
/// When the engine does not answer, or we are asked to stop.
pub fn verify(
    host: &Host<'_>,
    subjects: &[Subject],
    timeout: Duration,
) -> Result<BTreeMap<String, Verdict>, Problem> {
    let start = host.clock.monotonic();
    let mut verdicts = BTreeMap::new();
    let mut restarts: BTreeMap<ContainerId, u64> = BTreeMap::new();
    loop {
        let elapsed = host.clock.monotonic() - start;
        for subject in subjects {
            let settled =
                matches!(verdicts.get(&subject.name), Some(Verdict::Good | Verdict::Bad(_)));
            if !settled {
                let verdict = judge(host, subject, elapsed, &mut restarts)?;
                verdicts.insert(subject.name.clone(), verdict);
            }
        }
        if !verdicts.values().any(|verdict| *verdict == Verdict::Starting) || elapsed >= timeout {
            return Ok(verdicts);
        }
        if host.cancel.is_set() {
            return Err(Problem::interrupted());
        }
        host.clock.sleep(LOOK_EVERY);
    }
}

fn judge(
    host: &Host<'_>,
    subject: &Subject,
    elapsed: Duration,
    restarts: &mut BTreeMap<ContainerId, u64>,
) -> Result<Verdict, Problem> {
    if subject.containers.is_empty() {
        let message = format!("{} has no container after the change", subject.name);
        return Ok(bad("not_created", message, "look at compose's words in the log"));
    }
    let mut all = Verdict::Good;
    for id in &subject.containers {
        let Some(inspected) = host.engine()?.inspect(id)? else {
            let message = format!("a container of {} is gone again", subject.name);
            return Ok(bad("vanished", message, "somebody else works on this stack"));
        };
        let before = *restarts.entry(id.clone()).or_insert(inspected.restart_count);
        match judge_one(subject, &inspected, elapsed, before) {
            Verdict::Good => {}
            Verdict::Starting => all = Verdict::Starting,
            bad @ Verdict::Bad(_) => return Ok(bad),
        }
    }
    Ok(all)
}

fn judge_one(subject: &Subject, seen: &Inspected, elapsed: Duration, restarts: u64) -> Verdict {
    let name = &subject.name;
    let look = format!("look at `docker logs {}`", seen.name);
    let running = matches!(seen.state, State::Running | State::Paused);
    if seen.restart_count > restarts {
        return bad("restarting", format!("{name} restarts over and over"), look);
    }
    if !running {
        return match (subject.lifetime, seen.exit_code) {
            (Lifetime::OneShot, 0) if seen.state == State::Exited => Verdict::Good,
            (_, code) => {
                let why = match (seen.oom_killed, seen.error.as_str()) {
                    (true, _) => " (out of memory)".to_owned(),
                    (false, "") => String::new(),
                    (false, error) => format!(" ({error})"),
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
        None if elapsed < STEADY => Verdict::Starting,
        None => Verdict::Good,
    }
}

fn bad(reason: &'static str, message: String, resolution: impl Into<String>) -> Verdict {
    Verdict::Bad(Problem::engine(reason, message, resolution))
}
