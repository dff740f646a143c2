//! Files of this computer that a person chose for what comes out of a container.

use std::io;
use std::path::Path;

use futures::{Stream, StreamExt};
use hyper::body::Bytes;
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::AppError;
use crate::private_file::beside;

/// Writes what comes to `path`, in the place of what is there, once all of it has come.
///
/// Dropping it, or a failure, leaves what was there; at worst a part of the new one lies beside
/// it and says in its name what it is.
pub(crate) async fn receive(
    path: &Path,
    pieces: impl Stream<Item = Result<Bytes, AppError>>,
) -> Result<(), AppError> {
    receive_until(std::future::pending(), path, pieces).await
}

/// The same until it is `cancelled`, which leaves nothing of the new one.
pub(crate) async fn receive_until(
    cancelled: impl Future<Output = ()>,
    path: &Path,
    pieces: impl Stream<Item = Result<Bytes, AppError>>,
) -> Result<(), AppError> {
    let part = beside(path, &format!("part-{}", std::process::id()));
    let received = async {
        write(&part, pieces).await?;
        fs::rename(&part, path).await.map_err(|source| failed("write", path, source))
    };
    let received = tokio::select! {
        () = cancelled => Err(AppError::TransferCancelled),
        received = received => received,
    };
    if received.is_err() {
        drop(fs::remove_file(&part).await);
    }
    received
}

async fn write(
    path: &Path,
    pieces: impl Stream<Item = Result<Bytes, AppError>>,
) -> Result<(), AppError> {
    let mut pieces = std::pin::pin!(pieces);
    // Nothing is made before the engine has said yes.
    let mut next = pieces.next().await.transpose()?;
    let file = File::create(path).await.map_err(|source| failed("create", path, source))?;
    let mut file = BufWriter::new(file);
    while let Some(piece) = next {
        file.write_all(&piece).await.map_err(|source| failed("write", path, source))?;
        next = pieces.next().await.transpose()?;
    }
    let written = async {
        file.flush().await?;
        file.get_ref().sync_all().await
    };
    written.await.map_err(|source| failed("write", path, source))
}

/// What went wrong with a file.
pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> AppError {
    AppError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_was_cancelled_leaves_the_old_file_and_nothing_beside() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("backup.tar");
        std::fs::write(&path, "old").unwrap();
        let half = Notify::new();
        let pieces = stream::once(async { Ok(Bytes::from("new")) }).chain(stream::once(async {
            // The first piece was taken, so that there is a file by now.
            half.notify_one();
            std::future::pending().await
        }));
        let error = receive_until(half.notified(), &path, pieces).await.unwrap_err();
        assert!(matches!(error, AppError::TransferCancelled), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn what_broke_off_leaves_the_old_file_and_nothing_beside() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("export.tar");
        std::fs::write(&path, "old").unwrap();
        let pieces = [Ok(Bytes::from("new")), Err(AppError::NotRunning)];
        let error = receive(&path, stream::iter(pieces)).await.unwrap_err();
        assert!(matches!(error, AppError::NotRunning), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
        let pieces = ["ne", "w"].map(|piece| Ok(Bytes::from(piece)));
        receive(&path, stream::iter(pieces)).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
