//! Answers what the control socket is asked: what is to be read from the board, what is to be done by
//! way of the main thread.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use super::board::Board;
use super::{Daemon, Message};
use crate::control::{Caller, Command, Desk, Refused, Reply};
use crate::decide::scheduler::Event;
use crate::problem::Problem;
use crate::standing::Seen;
use crate::sys::clock::Clock;

/// How long the main thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the main thread is asked to do.
#[derive(Debug)]
pub struct Request {
    /// What.
    pub command: Command,
    /// By whom.
    pub caller: Caller,
    /// Where the answer goes.
    pub reply: SyncSender<Reply>,
}

/// A desk that reads from `board` and sends everything else to the main thread.
pub fn open(board: Arc<Board>, clock: Arc<dyn Clock>, inbox: SyncSender<Message>) -> Arc<Desk> {
    Arc::new(move |command, caller| match command {
        Command::Health => {
            let (since, why) = board.health();
            Reply::Health { since, why }
        }
        Command::Status => {
            let config = board.read().config;
            let seen = Seen::look(&config, clock.now(), Some(board.live()));
            let mut text = serde_json::to_string(&seen.document()).unwrap_or_default();
            text.push('\n');
            Reply::Document(text)
        }
        Command::Reload | Command::Sync(_) => {
            let (reply, answer) = sync_channel(1);
            let request = Request { command, caller, reply };
            let sent = inbox.try_send(Message::Asked(request));
            let answer = sent.ok().and_then(|()| answer.recv_timeout(PATIENCE).ok());
            answer.unwrap_or_else(|| {
                let message = "the main thread does not answer";
                unavailable("busy", message, "ask GET /health")
            })
        }
    })
}

fn unavailable(reason: &'static str, message: &str, resolution: &str) -> Reply {
    Reply::Refused(Refused::Unavailable, vec![Problem::setup(reason, message, resolution)])
}

impl Daemon<'_> {
    /// Does what the control socket was asked, and answers.
    pub(super) fn obey(&mut self, request: Request) {
        let Request { command, caller, reply } = request;
        let answer = match command {
            _ if self.stopping.is_some() => {
                unavailable("stopping", "renew is stopping", "ask the next one")
            }
            Command::Sync(service) => self.wanted(service, caller),
            Command::Reload => {
                log::info!("the configuration is to be loaded, asked by uid {}", caller.uid);
                match self.reload() {
                    Ok(()) => Reply::Loaded { services: self.config.here().count() },
                    Err(problems) => Reply::Refused(Refused::Invalid, problems),
                }
            }
            Command::Health | Command::Status => unavailable("busy", "read it from the board", ""),
        };
        // Who has the answer finds what it says on the board.
        self.show();
        // Whoever asked may have gone.
        let _ = reply.send(answer);
    }

    fn wanted(&mut self, service: String, caller: Caller) -> Reply {
        if let Err(problem) = self.config.service_here(&service) {
            return Reply::Refused(Refused::Unknown, vec![problem]);
        }
        let run = self.books.wanted(&service);
        log::info!("{service}: run {run} is wanted, asked by uid {}", caller.uid);
        self.on(Event::Wanted(service.clone()));
        Reply::Accepted { service, run }
    }
}
