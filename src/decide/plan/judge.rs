//! The judgement on one compose service. Drift comes before absence, so that a stopped container of
//! an old image is replaced, not started.

use super::action::{Action, ImagePair, Reason, Step};
use super::types::{
    ContainerFact, ContainerState, Definition, DesiredService, DesiredStack, ImageFact, Lifetime,
    Observed, Registry, ServiceMemory,
};
use super::{files, policy};

/// What is to be done, why, and whether the image has to be fetched first.
pub struct Verdict {
    step: Step,
    reason: Reason,
    pull: bool,
    detail: String,
    containers: Vec<String>,
}

impl Verdict {
    /// A verdict that needs no pull and names no container.
    pub fn new(step: Step, reason: Reason, detail: impl Into<String>) -> Verdict {
        Verdict { step, reason, pull: false, detail: detail.into(), containers: Vec::new() }
    }

    fn pulling(mut self, pull: bool) -> Verdict {
        self.pull = pull;
        self
    }

    /// The same, about these containers.
    pub fn on(mut self, containers: Vec<String>) -> Verdict {
        self.containers = containers;
        self
    }
}

/// Decides about one compose service.
pub fn judge(
    stack: &DesiredStack,
    name: &str,
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    observed: &Observed,
) -> Action {
    let mine = |c: &&ContainerFact| c.project == stack.project && c.compose_service == name;
    let all: Vec<&ContainerFact> = observed.containers.iter().filter(mine).collect();
    let there: Vec<&ContainerFact> =
        all.into_iter().filter(|c| c.state != ContainerState::Absent).collect();
    let image = observed.images.get(&service.image).cloned().unwrap_or_default();
    let verdict = if there.is_empty() {
        absent(service, &image)
    } else {
        frozen(&there)
            .or_else(|| drift(service, past, &there, &image))
            .or_else(|| too_many(service, past, &there))
            .or_else(|| standing(service, &there))
            .or_else(|| too_few(service, &there))
            .or_else(|| unhealthy(service, &there, observed))
            .unwrap_or_else(|| calm(service, past, &image, &there))
    };
    let action = Action {
        project: stack.project.clone(),
        compose_service: name.to_owned(),
        step: verdict.step,
        pull: verdict.pull,
        reason: verdict.reason,
        detail: verdict.detail,
        image: ImagePair {
            running: there.first().map(|c| c.image_id.clone()),
            declared: Some(service.image.clone()),
        },
        containers: verdict.containers,
    };
    let begun = observed.begun.contains(&(stack.project.clone(), name.to_owned()));
    policy::left_alone(action, service, past, &there, begun)
}

/// No container at all.
fn absent(service: &DesiredService, image: &ImageFact) -> Verdict {
    if service.replicas == 0 {
        return Verdict::new(Step::Nothing, Reason::Settled, "scaled to 0");
    }
    if image.local_id.is_none() && service.build {
        return needs_build(service);
    }
    // A local image starts now; a newer one in the registry is the next run's drift, so that a slow
    // pull never delays a service that is down.
    Verdict::new(Step::Start, Reason::Missing, "no container").pulling(image.local_id.is_none())
}

fn needs_build(service: &DesiredService) -> Verdict {
    let detail = format!(
        "{} is not on this host and renew never builds: run `docker compose build`",
        service.image
    );
    Verdict::new(Step::Nothing, Reason::NeedsBuild, detail)
}

/// Whether what runs is not what is declared: first of image, env file, definition, mounted files.
fn drift(
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    there: &[&ContainerFact],
    image: &ImageFact,
) -> Option<Verdict> {
    if service.policy.on_image
        && let Some(mut verdict) = image_drift(service, there, image)
    {
        let keys = past.map_or("", |past| past.difference.as_str());
        if service.policy.on_config && !keys.is_empty() {
            verdict.detail.push_str(&format!("; changed: {keys}"));
        }
        return Some(verdict);
    }
    let past = past?;
    let already = there.iter().all(|c| c.definition == Definition::Declared);
    // Whatever `recreate_on` says: a secret that was taken back must be gone everywhere.
    if rotated(service, past) && !already && !completed(service, there) {
        let detail = match past.difference.as_str() {
            "" => "the env file has other content".to_owned(),
            keys => format!("the env file has other content; changed: {keys}"),
        };
        return Some(recreate(Reason::Env, detail, image));
    }
    if service.policy.on_config && !already {
        if past.definition != service.definition {
            let detail = match past.difference.as_str() {
                "" => "the definition changed".to_owned(),
                keys => format!("changed: {keys}"),
            };
            return Some(recreate(Reason::Config, detail, image));
        }
        if there.iter().any(|c| c.definition == Definition::Foreign) {
            let detail = "recreated outside renew with another definition";
            return Some(recreate(Reason::Config, detail.to_owned(), image));
        }
    }
    files::drift(service, past, there, image)
}

/// Whether the env file has other content than what the containers were made with. One that is seen
/// for the first time, or no longer named, has not changed.
fn rotated(service: &DesiredService, past: &ServiceMemory) -> bool {
    service.env.is_some() && past.env.is_some() && service.env != past.env
}

/// Whether it is a one-shot that has done its work.
fn completed(service: &DesiredService, there: &[&ContainerFact]) -> bool {
    let ended = |c: &&ContainerFact| matches!(c.state, ContainerState::Exited(0));
    service.lifetime == Lifetime::OneShot && there.iter().all(ended)
}

/// Its containers are replaced; an image that is not here is fetched first.
pub fn recreate(reason: Reason, detail: String, image: &ImageFact) -> Verdict {
    Verdict::new(Step::Recreate, reason, detail).pulling(image.local_id.is_none())
}

fn image_drift(
    service: &DesiredService,
    there: &[&ContainerFact],
    image: &ImageFact,
) -> Option<Verdict> {
    match (&image.local_id, &image.registry) {
        (None, _) if service.build => None,
        (None, _) => {
            let detail =
                format!("another image than {} runs, which is not here yet", service.image);
            Some(Verdict::new(Step::Recreate, Reason::Image, detail).pulling(true))
        }
        (Some(_), Registry::Newer) => {
            let detail = format!("the registry has another image for {}", service.image);
            Some(Verdict::new(Step::Recreate, Reason::Image, detail).pulling(true))
        }
        (Some(id), _) => {
            let runs = |c: &ContainerFact| c.image_id == *id || image.aliases.contains(&c.image_id);
            let stale = there.iter().filter(|c| !runs(c)).count();
            let detail = match there.len() {
                1 => format!("{} is another image than the one that runs", service.image),
                n => format!("{stale} of {n} containers do not run {}", service.image),
            };
            (stale > 0).then(|| Verdict::new(Step::Recreate, Reason::Image, detail))
        }
    }
}

/// Whether a person froze a container: then nobody else touches it.
fn frozen(there: &[&ContainerFact]) -> Option<Verdict> {
    let detail = "paused by `docker pause`; `docker unpause` lets it go on";
    let paused = there.iter().any(|c| c.state == ContainerState::Paused);
    paused.then(|| Verdict::new(Step::Nothing, Reason::Held, detail))
}

/// Whether a container stands still that should run.
fn standing(service: &DesiredService, there: &[&ContainerFact]) -> Option<Verdict> {
    let mut stopped = Vec::new();
    let mut codes = Vec::new();
    for container in there {
        match container.state {
            ContainerState::Exited(0) if service.lifetime == Lifetime::OneShot => {}
            ContainerState::Exited(code) | ContainerState::Stopped(code) => {
                stopped.push(container.id.clone());
                codes.push(code.to_string());
            }
            ContainerState::Running | ContainerState::Paused | ContainerState::Absent => {}
        }
    }
    if !stopped.is_empty() {
        let detail = format!("exited with code {}", codes.join(", "));
        return Some(Verdict::new(Step::Start, Reason::Stopped, detail).on(stopped));
    }
    None
}

/// Whether there are too few containers.
fn too_few(service: &DesiredService, there: &[&ContainerFact]) -> Option<Verdict> {
    let detail = format!("{} of {} containers", there.len(), service.replicas);
    let few = there.len() < service.replicas as usize;
    few.then(|| Verdict::new(Step::Start, Reason::Missing, detail))
}

/// Whether there are more containers than since git scaled the service down. Asked before any of them
/// is started: one that stands still may be one of those that go.
fn too_many(
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    there: &[&ContainerFact],
) -> Option<Verdict> {
    let wanted = service.replicas as usize;
    let declared_before = past.map_or(service.replicas, |past| past.replicas);
    if there.len() <= wanted || declared_before <= service.replicas {
        return None;
    }
    let excess = there[wanted..].iter().map(|c| c.id.clone()).collect();
    let detail = format!("scaled from {declared_before} to {wanted}");
    Some(Verdict::new(Step::Remove, Reason::Config, detail).on(excess))
}

/// Whether a health check fails, where that is acted on.
fn unhealthy(
    service: &DesiredService,
    there: &[&ContainerFact],
    observed: &Observed,
) -> Option<Verdict> {
    let sick = there.iter().filter(|c| observed.unhealthy.contains(&c.id)).count();
    let detail = match there.len() {
        1 => "its health check fails".to_owned(),
        n => format!("the health check of {sick} of {n} containers fails"),
    };
    let acts = service.policy.on_unhealthy && sick > 0;
    acts.then(|| Verdict::new(Step::Recreate, Reason::Unhealthy, detail))
}

/// Nothing to do: the most telling reason.
fn calm(
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    image: &ImageFact,
    there: &[&ContainerFact],
) -> Verdict {
    if past.is_none() {
        return Verdict::new(Step::Nothing, Reason::Adopted, "first seen; taken over as it runs");
    }
    if completed(service, there) {
        return Verdict::new(Step::Nothing, Reason::Completed, "exited with code 0");
    }
    if image.local_id.is_none() && service.build {
        return needs_build(service);
    }
    if let Registry::Unknown(why) = &image.registry {
        let detail = format!("cannot ask for {}: {why}", service.image);
        return Verdict::new(Step::Nothing, Reason::Unknown, detail);
    }
    let by_hand = there.len() > service.replicas as usize;
    let detail = if by_hand {
        format!("{} containers, {} declared: scaled by hand", there.len(), service.replicas)
    } else {
        String::new()
    };
    Verdict::new(Step::Nothing, Reason::Settled, detail)
}
