//! A container's files, read and written from outside the container.
//!
//! They are the container's, so hostile, and it may swap one for another while they are read.
//! Paths are resolved by the kernel beneath the root's descriptor ([`tree`]), what was looked at
//! is what is opened ([`node`]), and nothing that is not a regular file is ever opened for its
//! content. Memory does not grow with the number or the size of the files.
//!
//! Everything here blocks.

mod attributes;
mod changes;
mod copy;
mod error;
mod layer;
mod list;
mod node;
mod pack;
mod path;
mod place;
mod remove;
mod room;
mod size;
mod sorted;
mod sparse;
mod tar;
mod tree;
mod unpack;
mod walk;

pub(crate) use attributes::{Attributes, read as read_attributes, write as write_attributes};
pub(crate) use changes::{Change, MADE_BY_RUNTIME, changes};
pub(crate) use copy::{copy_content, copy_content_while, copy_file};
pub use error::FilesError;
pub(crate) use error::shown;
pub(crate) use layer::{pack_and_tidy, pack_container, pack_layer};
pub(crate) use list::{ListLimit, Listed, list};
pub(crate) use node::{Node, NodeKind};
pub(crate) use pack::{pack, pack_content, pack_with_holes};
pub(crate) use path::{ContainerPath, clean_parts, parts_below, split};
pub(crate) use remove::{remove, remove_all};
pub(crate) use room::Room;
pub(crate) use size::size;
pub(crate) use sorted::SortedWalk;
pub(crate) use tree::Tree;
pub(crate) use unpack::{UnpackOptions, unpack};
pub(crate) use walk::{DEPTH_MAX, below};
