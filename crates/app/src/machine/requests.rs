//! What the driver is asked, and who waits for what.

use naru_ipc::IpcError;
use tokio::sync::{mpsc, oneshot};

/// Takes the outcome.
pub(super) type Answer = oneshot::Sender<Result<(), IpcError>>;

/// What the driver is asked.
pub(super) enum Request {
    Start(Answer),
    Stop(Answer),
    /// Also stops the machine.
    Reset(Answer),
}

/// Who waits for what.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) start: Vec<Answer>,
    pub(super) stop: Vec<Answer>,
    pub(super) reset: Vec<Answer>,
    /// Nobody can ask any more.
    pub(super) closed: bool,
}

impl Asked {
    /// Takes one request. Cancel safe.
    pub(super) async fn one(&mut self, inbox: &mut mpsc::Receiver<Request>) {
        match inbox.recv().await {
            Some(Request::Start(answer)) => self.start.push(answer),
            Some(Request::Stop(answer)) => self.stop.push(answer),
            Some(Request::Reset(answer)) => self.reset.push(answer),
            None => self.closed = true,
        }
    }

    /// Takes requests up to the first after which the machine is to be off. Cancel safe.
    pub(super) async fn until_stop(&mut self, inbox: &mut mpsc::Receiver<Request>) {
        while !self.ends() {
            self.one(inbox).await;
        }
    }

    /// Whether the machine is to be off.
    pub(super) fn ends(&self) -> bool {
        self.closed || !self.stop.is_empty() || !self.reset.is_empty()
    }
}

/// Whoever asked may have gone.
pub(super) fn reply(answer: Answer, result: Result<(), IpcError>) {
    drop(answer.send(result));
}

pub(super) fn reply_all(answers: Vec<Answer>, result: &Result<(), IpcError>) {
    for answer in answers {
        reply(answer, result.clone());
    }
}
