//! Volumes: directories that outlive containers.
//!
//! ```text
//! ROOT/volumes/<name>/_data        what a container sees
//! ROOT/volumes/.new.<name>/_data   in the making: filled before anybody sees it
//! ROOT/volumes/.gone.<name>        on its way out
//! ```
//!
//! A name begins with a letter or a digit, so that the other two are never a volume's. What
//! exists is what the database has ([`database`]); a directory comes to its place after the row
//! was written and leaves it before the row is deleted, so that after a crash each is one or the
//! other ([`directory`]). What takes the place of a volume's content as a whole, a backup, is made
//! in the same place out of sight and exchanged for it. Whoever makes, fills, mounts, restores or
//! removes a volume holds it ([`Held`]).

mod copies;
mod database;
mod directory;
mod files;
mod make;
mod mounted;
mod options;
mod populate;
mod record;
mod registry;
mod remove;

pub(crate) use directory::VolumeDirectories;
pub(crate) use files::VolumeFiles;
pub(crate) use make::{PreparedVolumes, VolumeRequest};
pub(crate) use mounted::VolumeInUse;
pub(crate) use populate::Filling;
pub(crate) use record::{LOCAL, VolumeRecord};
pub(crate) use registry::Volumes;
pub(crate) use remove::PrunedVolumes;
