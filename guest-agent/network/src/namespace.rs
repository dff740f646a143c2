//! Network namespaces that live as long as their bind mount, not as a process.
//!
//! A thread that enters a namespace never leaves it again. All work is therefore
//! done on threads that end with it, never on a runtime's.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::oneshot;

use crate::error::NetworkError;
use crate::uplink;

/// The crate's one door to blocking work: runs `work` on a thread of its own, in the
/// network namespace of the caller.
///
/// Cancel safety: `work` runs to its end even if the future is dropped.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("naru-network".to_owned())
        .spawn(move || {
            // A caller that has gone away does not want to know.
            let _gone = sender.send(work()).is_err();
        })
        .map_err(NetworkError::Thread)?;
    receiver.await.map_err(|closed| NetworkError::Thread(io::Error::other(closed)))?
}

/// Creates a namespace, mounts it at `path` and brings up `lo` in it. This thread
/// stays in it.
pub(crate) fn create(path: &Path) -> Result<(), NetworkError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(file_error("create", parent))?;
    }
    match File::create_new(path) {
        Ok(_mount_point) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(NetworkError::NamespaceExists(path.to_owned()));
        }
        Err(source) => return Err(file_error("create", path)(source)),
    }
    let created = unshare_and_mount(path);
    if created.is_err()
        && let Err(error) = remove(path)
    {
        tracing::warn!(path = %path.display(), %error, "half-made network namespace stays");
    }
    created
}

fn unshare_and_mount(path: &Path) -> Result<(), NetworkError> {
    let error = |operation| move |errno: nix::Error| file_error(operation, path)(errno.into());
    unshare(CloneFlags::CLONE_NEWNET).map_err(error("create the network namespace"))?;
    let no_data = None::<&str>;
    mount(Some("/proc/thread-self/ns/net"), path, no_data, MsFlags::MS_BIND, no_data)
        .map_err(error("mount the network namespace at"))?;
    uplink::loopback_up()
}

/// Unmounts the namespace and removes its mount point. The kernel takes it down,
/// with the interfaces in it, once the last process has left. One that is not there
/// is no error.
pub(crate) fn remove(path: &Path) -> Result<(), NetworkError> {
    use nix::errno::Errno;
    match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        // EINVAL: a file, but nothing is mounted on it.
        Ok(()) | Err(Errno::ENOENT | Errno::EINVAL) => {}
        Err(errno) => return Err(file_error("unmount", path)(errno.into())),
    }
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(file_error("remove", path)(source))
        }
        _ => Ok(()),
    }
}

/// Opens the namespace mounted at `path`.
pub(crate) fn open(path: &Path) -> Result<File, NetworkError> {
    File::open(path).map_err(file_error("open the network namespace", path))
}

/// Takes this thread into the namespace, for good.
pub(crate) fn enter(namespace: &File, path: &Path) -> Result<(), NetworkError> {
    setns(namespace, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| file_error("enter the network namespace", path)(errno.into()))
}

pub(crate) fn file_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> NetworkError {
    move |source| NetworkError::File { operation, path: path.to_owned(), source }
}
