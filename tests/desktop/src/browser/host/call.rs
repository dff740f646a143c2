//! One call of the page, by the table of commands.

use std::sync::PoisonError;

use naru_app::App;
use naru_error::ErrorKind;
#[cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "every type that the table of commands names")
)]
use naru_ipc::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, from_value, json, to_value};
use tokio::sync::mpsc::UnboundedSender;

use super::Shell;

/// What the page sends.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    /// The page's number for it, which is in all that answers it.
    id: u64,
    /// A command of the table, or one of the shell's: `shell.open`, `shell.choose`,
    /// `shell.notify`.
    command: String,
    request: Value,
}

impl Call {
    /// Does it, and sends the answer.
    pub(super) async fn answer(self, app: &App, shell: &Shell, sender: &UnboundedSender<Value>) {
        let id = self.id;
        let answer = match self.command.as_str() {
            "shell.open" => Ok(shell.open(&self.request)),
            "shell.choose" => Ok(shell.choose()),
            // Said elsewhere than on the page, which is all that is looked at here.
            "shell.notify" => Ok(Value::Null),
            _ => dispatch(app, self, sender).await,
        };
        // Nobody hears it when the page is gone.
        drop(sender.send(match answer {
            Ok(answer) => json!({ "id": id, "answer": answer }),
            Err(error) => json!({ "id": id, "error": error }),
        }));
    }
}

impl Shell {
    fn open(&self, url: &Value) -> Value {
        let url = url.as_str().unwrap_or_default().to_owned();
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(url);
        Value::Null
    }

    fn choose(&self) -> Value {
        let path = self.chosen.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        path.map_or(Value::Null, |path| json!(path.display().to_string()))
    }
}

/// Sends a stream's items for as long as the page takes them.
fn sink<T: Serialize>(
    id: u64,
    sender: &UnboundedSender<Value>,
) -> impl Fn(T) -> bool + Send + Sync + 'static {
    let sender = sender.clone();
    move |item| sender.send(json!({ "id": id, "item": item })).is_ok()
}

fn garbled(error: &serde_json::Error) -> IpcError {
    IpcError::new(ErrorKind::InvalidArgument, error.to_string())
}

macro_rules! define {
    ($($command:literal $method:ident($request:ty $(, stream $item:ty)?) -> $response:ty;)*) => {
        async fn dispatch(
            app: &App,
            call: Call,
            sender: &UnboundedSender<Value>,
        ) -> Result<Value, IpcError> {
            match call.command.as_str() {
                $($command => {
                    let request: $request =
                        from_value(call.request).map_err(|error| garbled(&error))?;
                    let answering = app.$method(request $(, sink::<$item>(call.id, sender))?);
                    let answer: $response = Box::pin(answering).await?;
                    to_value(answer).map_err(|error| garbled(&error))
                })*
                unknown => {
                    let message = format!("there is no command {unknown:?}");
                    Err(IpcError::new(ErrorKind::InvalidArgument, message))
                }
            }
        }
    };
}

commands!(define);

/// The events by which a page that missed some reads everything anew.
pub(super) async fn events_of_everything(app: &App) -> Vec<AppEvent> {
    let status = app.machine_status(()).await.ok();
    let machine = status.map(|status| AppEvent::Machine { status });
    let lists = [AppEvent::Containers, AppEvent::Images, AppEvent::Volumes, AppEvent::Networks];
    machine.into_iter().chain(lists).collect()
}
