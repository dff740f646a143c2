//! Containers as directories; see the crate's page for what is in them.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use naru_runtime::{Cgroup, Gate, GateState};
use oci_spec::runtime::Spec;
use rustix::fs::{CWD, FlockOperation, RenameFlags, fcntl_lock, renameat_with};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{OciError, Result};
use crate::process::ProcessId;

const STATE: &str = "state.json";
const SPEC: &str = "config.json";
const LOCK: &str = "lock";

/// What is written down of a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    /// As the specification names it.
    pub(crate) cgroup: PathBuf,
    /// RFC 3339.
    pub(crate) created: String,
    /// Not there until it has been made.
    pub(crate) process: Option<ProcessId>,
}

/// How a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Being made, or left half-made by a command that was killed.
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// The specification's word; `paused` is `runc`'s.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// The directory of all containers.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// One container's directory.
#[derive(Debug)]
pub(crate) struct Container {
    directory: PathBuf,
    pub(crate) record: Record,
}

/// Held by the one command that may change a container.
#[derive(Debug)]
pub(crate) struct Locked {
    _file: File,
}

impl Store {
    /// Opens the store; its directory is its user's alone.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        make_private(root, true).map_err(OciError::io("creating", root))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Makes a container's directory, which appears at once with all that is in it. Of two
    /// commands that want the same id, one gets it.
    pub(crate) fn reserve(&self, record: Record, spec: &Spec) -> Result<(Container, Locked)> {
        let directory = self.directory(&record.id)?;
        let scratch = self.root.join(format!(".{}", process::id()));
        match fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OciError::io("removing", &scratch)(error));
            }
            _ => {}
        }
        make_private(&scratch, false).map_err(OciError::io("creating", &scratch))?;
        let container = Container { directory: scratch.clone(), record };
        let reserved = container.fill(spec).and_then(|locked| {
            match renameat_with(CWD, &scratch, CWD, &directory, RenameFlags::NOREPLACE) {
                Ok(()) => Ok(locked),
                Err(rustix::io::Errno::EXIST) => Err(OciError::Exists(container.record.id.clone())),
                Err(errno) => Err(OciError::io("creating", &directory)(errno.into())),
            }
        });
        match reserved {
            Ok(locked) => Ok((Container { directory, ..container }, locked)),
            Err(error) => {
                // The first error is the one to tell.
                drop(fs::remove_dir_all(&scratch));
                Err(error)
            }
        }
    }

    /// The container of this id.
    pub(crate) fn find(&self, id: &str) -> Result<Container> {
        let directory = self.directory(id)?;
        match read(&directory.join(STATE)) {
            Ok(record) => Ok(Container { directory, record }),
            Err(OciError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(OciError::NotFound(id.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// All containers, by id.
    pub(crate) fn all(&self) -> Result<Vec<Container>> {
        let failed = || OciError::io("reading", &self.root);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            // Names with a dot in front are containers in the making.
            ids.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
        }
        ids.sort();
        // One that is deleted meanwhile is none.
        Ok(ids.iter().filter_map(|id| self.find(id).ok()).collect())
    }

    fn directory(&self, id: &str) -> Result<PathBuf> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_+-.".contains(c);
        if id.is_empty() || id.starts_with('.') || !id.chars().all(fits) {
            return Err(OciError::InvalidId(id.to_owned()));
        }
        Ok(self.root.join(id))
    }
}

impl Container {
    fn fill(&self, spec: &Spec) -> Result<Locked> {
        let locked = self.lock()?;
        self.write(SPEC, spec)?;
        self.save()?;
        Ok(locked)
    }

    /// Where the gate of its process is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits until no other command changes the container.
    pub(crate) fn lock(&self) -> Result<Locked> {
        let path = self.directory.join(LOCK);
        let file = File::create(&path).map_err(OciError::io("creating", &path))?;
        // A lock of this process, which the container's, a fork of it, does not inherit.
        fcntl_lock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| OciError::io("locking", path)(errno.into()))?;
        Ok(Locked { _file: file })
    }

    /// The specification that it was made from.
    pub(crate) fn spec(&self) -> Result<Spec> {
        read(&self.directory.join(SPEC))
    }

    /// Writes the record down.
    pub(crate) fn save(&self) -> Result<()> {
        self.write(STATE, &self.record)
    }

    pub(crate) fn cgroup(&self) -> Result<Cgroup> {
        Ok(Cgroup::at(&self.record.cgroup)?)
    }

    /// Asks the kernel how it is.
    pub(crate) fn status(&self) -> Result<Status> {
        let Some(process) = self.record.process else { return Ok(Status::Creating) };
        if !process.is_alive() {
            return Ok(Status::Stopped);
        }
        if Gate::state(&self.directory)? == GateState::Closed {
            return Ok(Status::Created);
        }
        let is_paused = self.cgroup()?.is_frozen().unwrap_or(false);
        Ok(if is_paused { Status::Paused } else { Status::Running })
    }

    /// Takes the directory away; the container is gone with it.
    pub(crate) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.directory).map_err(OciError::io("removing", &self.directory))
    }

    fn write(&self, name: &str, document: &impl Serialize) -> Result<()> {
        let path = self.directory.join(name);
        let text = serde_json::to_vec(document).map_err(OciError::document(&path))?;
        replace(&path, &text)
    }
}

/// Writes a file that is never seen half-written.
pub(crate) fn replace(path: &Path, text: &[u8]) -> Result<()> {
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(format!(".{}", process::id()));
    fs::write(&scratch, text)
        .and_then(|()| fs::rename(&scratch, path))
        .map_err(OciError::io("writing", path))
}

/// Reads a JSON document.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(OciError::io("reading", path))?;
    serde_json::from_slice(&text).map_err(OciError::document(path))
}

fn make_private(path: &Path, recursive: bool) -> io::Result<()> {
    DirBuilder::new().recursive(recursive).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> Record {
        Record {
            id: id.to_owned(),
            bundle: "/b".into(),
            cgroup: "/c".into(),
            created: String::new(),
            process: None,
        }
    }

    #[test]
    fn an_id_is_given_once() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let store = Store::open(directory.path())?;
        let (container, locked) = store.reserve(record("a"), &Spec::default())?;
        drop(locked);
        let second = store.reserve(record("a"), &Spec::default()).map(drop);
        assert!(matches!(second, Err(OciError::Exists(id)) if id == "a"));
        assert_eq!(store.all()?.len(), 1, "the second has left nothing");
        assert_eq!(store.find("a")?.status()?, Status::Creating);
        container.remove()?;
        assert!(matches!(store.find("a"), Err(OciError::NotFound(_))));
        Ok(())
    }

    #[test]
    fn an_id_cannot_lead_out_of_the_store() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let store = Store::open(directory.path())?;
        for id in ["", ".", "..", "../x", "a/b", ".hidden", "a b"] {
            assert!(matches!(store.find(id), Err(OciError::InvalidId(_))), "{id:?}");
        }
        Ok(())
    }
}
