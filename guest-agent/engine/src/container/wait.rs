//! `wait`: for whom a container's end matters.

use std::sync::Arc;

use super::{Container, Record};

/// What a client waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It does not run, now or after its next end.
    #[default]
    NotRunning,
    /// It ends once more than it has by now.
    NextExit,
    /// It is gone.
    Removed,
}

/// A condition that Docker does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitError(pub(crate) String);

impl std::str::FromStr for Condition {
    type Err = WaitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "not-running" => Ok(Self::NotRunning),
            "next-exit" => Ok(Self::NextExit),
            "removed" => Ok(Self::Removed),
            _ => Err(WaitError(format!("invalid condition: {text:?}"))),
        }
    }
}

impl Container {
    /// Begins to wait: what happens after this call is seen, however late the
    /// future is polled. Gives the exit code.
    ///
    /// A start that failed is no end: it is told by the answer to the start, as in Docker.
    pub(crate) fn wait(
        self: &Arc<Self>,
        condition: Condition,
    ) -> impl Future<Output = i32> + Send + 'static {
        let container = Arc::clone(self);
        let mut watch = self.watch();
        let exits_before = watch.borrow().state.exits;
        let ended = move |record: &Record| record.state.exits > exits_before;
        async move {
            let satisfied = async {
                match condition {
                    // What is started again by its policy has not run in between.
                    Condition::NotRunning => {
                        let stopped = |record: &Record| !record.counts_as_running();
                        let either = watch.wait_for(|record| stopped(record) || ended(record));
                        drop(either.await.map(drop));
                    }
                    Condition::NextExit => drop(watch.wait_for(ended).await.map(drop)),
                    Condition::Removed => std::future::pending::<()>().await,
                }
            };
            tokio::select! {
                () = satisfied => {}
                // A container that is gone ends every wait.
                () = container.removed.cancelled() => {}
            }
            let record = container.record();
            // It may run again by now.
            if ended(&record) { record.state.last_exit_code } else { record.state.exit_code }
        }
    }
}
