//! The worker threads. Each runs one service at a time; a panic is told as the end of that run and
//! costs nobody else anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::config::Config;
use crate::decide::scheduler::Trigger;
use crate::reconcile::{Report, Restart};
use crate::sys::stop::Stop;

/// A run of one service.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name.
    pub service: String,
    /// The configuration that it runs by.
    pub config: Arc<Config>,
    /// Why it runs.
    pub trigger: Trigger,
    /// Whether another configuration that it brings starts it anew.
    pub restart: Restart,
    /// Whether a run with this configuration brought another one.
    pub moved: Arc<AtomicBool>,
    /// With which it is asked to stop.
    pub stop: Stop,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// With this report.
    Done(Report),
    /// It brought another configuration file, which is in place now.
    ConfigMoved,
    /// In a panic, with these words.
    Panicked(String),
}

/// A run that is over.
#[derive(Debug)]
pub struct Ended {
    /// Whose.
    pub service: String,
    /// How.
    pub outcome: Outcome,
}

/// What a worker does with a job.
pub type Work = dyn Fn(&Job) -> Outcome + Send + Sync;

/// A number of workers, each waiting for a job.
pub struct Pool {
    jobs: SyncSender<Job>,
    queue: Arc<Mutex<Receiver<Job>>>,
    work: Arc<Work>,
    size: usize,
}

/// More jobs than this are never on their way: who hands them out knows how many workers there are.
const QUEUE_MAX: usize = 256;

impl Pool {
    /// A pool without a worker.
    #[must_use]
    pub fn new(work: Arc<Work>) -> Pool {
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        Pool { jobs, queue: Arc::new(Mutex::new(queue)), work, size: 0 }
    }

    /// Sees to it that there are at least so many workers; `tell` is handed what became of each job.
    ///
    /// # Errors
    /// When the system has no more threads for us.
    pub fn grow<T: From<Ended> + Send + 'static>(
        &mut self,
        size: usize,
        tell: &SyncSender<T>,
    ) -> std::io::Result<()> {
        while self.size < size {
            let (queue, work, tell) =
                (Arc::clone(&self.queue), Arc::clone(&self.work), tell.clone());
            let name = format!("worker {}", self.size + 1);
            thread::Builder::new().name(name).spawn(move || serve(&queue, work.as_ref(), &tell))?;
            self.size += 1;
        }
        Ok(())
    }

    /// How many workers there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Hands a job to the next worker that is free.
    pub fn run(&self, job: Job) {
        // The queue is as long as there are ever jobs, and this end of it lives as long as we do.
        if self.jobs.try_send(job).is_err() {
            log::error!("a run was lost: more were begun than there are workers");
        }
    }
}

fn serve<T: From<Ended>>(queue: &Mutex<Receiver<Job>>, work: &Work, tell: &SyncSender<T>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&job)))
            .unwrap_or_else(|panic| Outcome::Panicked(words(panic.as_ref())));
        if tell.send(Ended { service: job.service, outcome }.into()).is_err() {
            return;
        }
    }
}

/// What a panic said.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
