//! Archives that a request brings and a build takes, and the builds that a request may end:
//! the ways of clients that know BuildKit only behind `POST /build`.

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a build waits for its archive: a client sends both requests at the same time.
const ARRIVAL: Duration = Duration::from_secs(5);
/// What a build knows an archive by.
const ADDRESS: &str = "http://naru-upload/";

/// An archive on its way.
pub(crate) type Archive = Box<dyn AsyncRead + Send + Unpin>;

/// Archives and builds by the names that clients give them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uploads(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    archives: Mutex<HashMap<String, Offered>>,
    /// Told whenever an archive comes.
    arrivals: watch::Sender<()>,
    builds: Mutex<HashMap<String, CancellationToken>>,
}

struct Offered {
    archive: Taken,
    /// Dropped when the archive is taken.
    taken: oneshot::Sender<()>,
}

/// An archive whose giver waits until it is read.
struct Taken {
    archive: Archive,
    _read: oneshot::Sender<()>,
}

impl AsyncRead for Taken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.archive).poll_read(context, buffer)
    }
}

impl Debug for Offered {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Offered").finish_non_exhaustive()
    }
}

impl Uploads {
    /// The address by which a build asks for an archive.
    pub(crate) fn address(id: &str) -> String {
        format!("{ADDRESS}{id}")
    }

    pub(super) fn id(address: &str) -> Option<&str> {
        address.strip_prefix(ADDRESS)
    }

    /// Has the archive of this name until a build has read it. False if none takes it in time.
    /// Giving this up takes it back.
    pub(crate) async fn offer(&self, id: &str, archive: Archive) -> bool {
        let ((taken, is_taken), (read, is_read)) = (oneshot::channel(), oneshot::channel());
        let archive = Taken { archive, _read: read };
        locked(&self.0.archives).insert(id.to_owned(), Offered { archive, taken });
        let forget = |shared: &Shared, id: &str| drop(locked(&shared.archives).remove(id));
        let _offered = Entered { uploads: self.clone(), id: id.to_owned(), forget };
        self.0.arrivals.send_replace(());
        // Both are dropped, never sent.
        let was_taken = timeout(ARRIVAL, is_taken).await.is_ok();
        if was_taken {
            drop(is_read.await);
        }
        was_taken
    }

    /// The archive of this name, which may still be on its way; there is one taker.
    pub(super) async fn take(
        &self,
        id: &str,
    ) -> Option<impl AsyncRead + Send + Unpin + 'static + use<>> {
        let mut arrivals = self.0.arrivals.subscribe();
        let arrival = async {
            loop {
                if let Some(offered) = locked(&self.0.archives).remove(id) {
                    drop(offered.taken);
                    return Some(offered.archive);
                }
                arrivals.changed().await.ok()?;
            }
        };
        timeout(ARRIVAL, arrival).await.ok().flatten()
    }

    /// Names a build, for as long as what this gives lives.
    pub(crate) fn named(&self, id: &str, build: CancellationToken) -> impl Sized + Send + use<> {
        locked(&self.0.builds).insert(id.to_owned(), build);
        let forget = |shared: &Shared, id: &str| drop(locked(&shared.builds).remove(id));
        Entered { uploads: self.clone(), id: id.to_owned(), forget }
    }

    /// Ends the build of this name, if there is one.
    pub(crate) fn cancel(&self, id: &str) {
        if let Some(build) = locked(&self.0.builds).get(id) {
            build.cancel();
        }
    }
}

/// A name that goes with this.
struct Entered {
    uploads: Uploads,
    id: String,
    forget: fn(&Shared, &str),
}

impl Drop for Entered {
    fn drop(&mut self) {
        (self.forget)(&self.uploads.0, &self.id);
    }
}

/// What is guarded is whole at every moment, whoever panicked while holding it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn an_archive_stays_with_its_request_until_it_is_read() {
        let uploads = Uploads::default();
        let read = async {
            let mut archive = uploads.take("a").await.unwrap();
            let mut text = String::new();
            archive.read_to_string(&mut text).await.unwrap();
            text
        };
        let offered = uploads.offer("a", Box::new(&b"abc"[..]));
        assert_eq!(tokio::join!(read, offered), ("abc".to_owned(), true));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told() {
        let uploads = Uploads::default();
        assert!(uploads.take("a").await.is_none());
        assert!(!uploads.offer("a", Box::new(&b"abc"[..])).await);
        assert!(uploads.take("a").await.is_none(), "it was taken back");
    }

    #[test]
    fn a_build_can_be_ended_while_it_has_its_name() {
        let (uploads, build) = (Uploads::default(), CancellationToken::new());
        let name = uploads.named("a", build.clone());
        uploads.cancel("b");
        assert!(!build.is_cancelled());
        drop(name);
        uploads.cancel("a");
        assert!(!build.is_cancelled());
        let _name = uploads.named("a", build.clone());
        uploads.cancel("a");
        assert!(build.is_cancelled());
    }
}
