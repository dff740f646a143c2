//! One window for each Naru: a second start brings the first one's window to the front.
//!
//! The first holds a lock, which the system releases however its process ends, and answers who
//! knocks. Whoever finds the lock taken knocks, is answered, and ends. Unlike a name on the
//! session's bus this works without a bus, and other homes are other Narus.

use std::fs::{File, TryLockError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::local::{Listener, connect};
use crate::{AppError, Directories, private_file};

/// How long the first may take to answer. It answers at once, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before a window that is just coming or going is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// What is sent to who has knocked.
const ANSWER: u8 = b'\n';

/// Held by the one window; another may come once it is dropped.
#[derive(Debug)]
pub struct Door {
    listener: Listener,
    // After the listener: its socket has gone when the next window takes the lock.
    _lock: File,
}

impl Door {
    /// Takes the place of the one window; none when there is one, which then has come forward.
    ///
    /// Must be called within a Tokio runtime.
    pub async fn enter(directories: &Directories) -> Result<Option<Self>, AppError> {
        directories.create()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(door) = Self::take(directories)? {
                return Ok(Some(door));
            }
            if knock(directories).await {
                return Ok(None);
            }
            if Instant::now() > deadline {
                return Err(AppError::Deadline { what: "the other window's answer" });
            }
            // Nothing tells when a window that is beginning or ending has got there.
            sleep(RETRY).await;
        }
    }

    fn take(directories: &Directories) -> Result<Option<Self>, AppError> {
        let path = directories.window_lock();
        let lock = private_file::open_or_create(&path)?;
        match lock.try_lock() {
            Ok(()) => {
                let listener = Listener::bind(&directories.window_socket())?;
                Ok(Some(Self { listener, _lock: lock }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => {
                Err(AppError::File { action: "lock", path, source })
            }
        }
    }

    /// Calls `knocked` each time that somebody else would have opened a window. Never ends by
    /// itself; dropping it lets the next window in.
    pub async fn answer(mut self, knocked: impl Fn()) {
        loop {
            match self.listener.accept().await {
                Ok(mut stream) => {
                    knocked();
                    // Who has gone again needs no answer.
                    drop(stream.write_all(&[ANSWER]).await);
                }
                Err(error) => {
                    tracing::warn!(%error, "knock not heard");
                    // A timer is all there is to wait for: nobody says when descriptors are free.
                    sleep(RETRY).await;
                }
            }
        }
    }
}

/// Whether somebody has answered.
async fn knock(directories: &Directories) -> bool {
    let address = directories.window_socket();
    let answered = async {
        let mut stream = connect(&address).await?;
        stream.read_u8().await
    };
    timeout(PATIENCE, answered).await.is_ok_and(|answer| answer.is_ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::sync::mpsc::unbounded_channel;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::Environment;

    fn directories(home: &Path) -> Directories {
        let environment = Environment { home: Some(home.to_owned()), ..Environment::default() };
        Directories::find(&environment, None).unwrap()
    }

    #[tokio::test]
    async fn a_second_start_brings_the_first_forward_and_opens_nothing() {
        let home = tempfile::tempdir().unwrap();
        let directories = directories(home.path());
        let first = Door::enter(&directories).await.unwrap().expect("nobody was there");
        let (sender, mut knocks) = unbounded_channel();
        let first = TaskTracker::new().spawn(first.answer(move || sender.send(()).unwrap()));
        for _ in 0..2 {
            assert!(Door::enter(&directories).await.unwrap().is_none());
            knocks.recv().await.expect("it knocked");
        }
        first.abort();
    }

    #[tokio::test]
    async fn a_window_that_goes_makes_room_for_the_next() {
        let home = tempfile::tempdir().unwrap();
        let directories = directories(home.path());
        let first = Door::enter(&directories).await.unwrap().expect("nobody was there");
        drop(first);
        assert!(Door::enter(&directories).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn windows_of_other_homes_do_not_meet() {
        let homes = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [first, second] = homes.each_ref().map(|home| directories(home.path()));
        let _first = Door::enter(&first).await.unwrap().expect("nobody was there");
        assert!(Door::enter(&second).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_hangs_is_given_up() {
        let home = tempfile::tempdir().unwrap();
        let directories = directories(home.path());
        let _hangs = Door::enter(&directories).await.unwrap().expect("nobody was there");
        let given_up = Door::enter(&directories).await;
        assert!(matches!(given_up, Err(AppError::Deadline { .. })), "{given_up:?}");
    }
}
