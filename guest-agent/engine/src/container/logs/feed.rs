//! News of a log that is being written: the shim tells, and hands over every file.
//!
//! The files are taken as they come, whatever the client does who reads them: they are rotated
//! away faster than anyone reads. A client that stands still for long loses the oldest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt as _};
use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What may wait for a client: files, and bytes in them.
const FILES_MAX: usize = 4096;
const BYTES_MAX: u64 = 256 << 20;

/// The shim's line, after its answer to `follow_log`.
#[derive(Debug)]
pub(crate) struct LogFeed(pub(crate) UnixStream);

/// What a shim says.
#[derive(Debug)]
pub(crate) enum Word {
    /// Something was written.
    Grown,
    /// This is the file from now on.
    Begun(File),
    /// Nothing will ever come again.
    End,
}

impl LogFeed {
    /// The next word. Cancel safe.
    pub(crate) async fn next(&self) -> io::Result<Word> {
        self.0.async_io(Interest::READABLE, || self.receive()).await
    }

    fn receive(&self) -> io::Result<Word> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        // The kernel never puts the descriptors of two words into one answer.
        let mut words = [0; 64];
        let mut slices = [IoSliceMut::new(&mut words)];
        let received = recvmsg(&self.0, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let file = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next().map(File::from),
            _ => None,
        });
        Ok(match file {
            Some(file) => Word::Begun(file),
            None if received.bytes > 0 => Word::Grown,
            None => Word::End,
        })
    }
}

/// A file that was begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) file: File,
    /// It is the first of a shim: others may have come between it and the one before.
    pub(super) is_first: bool,
}

/// What has come and was not taken yet.
#[derive(Debug, Default)]
struct News {
    files: VecDeque<Begun>,
    /// The bytes in all but the last, which still grows.
    bytes: u64,
    is_ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<News>,
    changed: Notify,
}

/// The engine's end, for one reader of the log.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    _reading: DropGuard,
}

impl Feed {
    /// Takes what the shim says, then each file that `next` gives with what its shim says, if
    /// it still has one, until there is none or nobody wants it any more.
    pub(crate) fn start(
        shim: Option<LogFeed>,
        next: impl Stream<Item = (File, Option<LogFeed>)> + Send + 'static,
        tasks: &TaskTracker,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let reading = CancellationToken::new();
        let (theirs, gone) = (Arc::clone(&shared), reading.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = theirs.fill(shim, next) => {}
                () = gone.cancelled() => {}
            }
            theirs.change(|news| news.is_ended = true);
        });
        Self { shared, _reading: reading.drop_guard() }
    }

    /// The files that have come, and whether that is the end.
    pub(super) fn take(&self) -> (VecDeque<Begun>, bool) {
        let mut news = self.shared.news();
        news.bytes = 0;
        (std::mem::take(&mut news.files), news.is_ended)
    }

    /// Waits for something to have happened since it last returned. Cancel safe.
    pub(super) async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

impl Shared {
    async fn fill(
        &self,
        mut shim: Option<LogFeed>,
        next: impl Stream<Item = (File, Option<LogFeed>)>,
    ) {
        let mut next = pin!(next);
        loop {
            let word = match &shim {
                Some(shim) => shim.next().await,
                None => Ok(Word::End),
            };
            match word {
                Ok(Word::Grown) => self.change(|_| {}),
                Ok(Word::Begun(file)) => self.change(|news| news.push(file, false)),
                // A line that breaks is a shim that is gone: what it wrote is in the files.
                Ok(Word::End) | Err(_) => {
                    let Some((file, feed)) = next.next().await else { return };
                    self.change(|news| news.push(file, true));
                    shim = feed;
                }
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.news());
        self.changed.notify_one();
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    fn push(&mut self, file: File, is_first: bool) {
        self.bytes += self.files.back().map_or(0, length);
        self.files.push_back(Begun { file, is_first });
        while self.files.len() > FILES_MAX || (self.bytes > BYTES_MAX && self.files.len() > 2) {
            let dropped = self.files.pop_front();
            self.bytes = self.bytes.saturating_sub(dropped.as_ref().map_or(0, length));
            tracing::warn!("a reader is too slow for a log: it misses a file of it");
        }
    }
}

fn length(begun: &Begun) -> u64 {
    begun.file.metadata().map_or(0, |metadata| metadata.len())
}
