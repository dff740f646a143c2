//! Puts what was found where it goes.

use std::os::fd::{AsFd as _, OwnedFd};

use naru_dockerfile::FileMode;
use rustix::fs::FileType;
use tokio_util::sync::CancellationToken;

use super::archive::{open_archive, unpack_archive};
use super::directories::{NewDirectory, make_directory};
use super::dress::Orders;
use super::error::{CopyError, Tried as _};
use super::find::{Found, Item, Sources};
use super::plan::{CopyPlan, Source};
use super::walk::{Entry, Status, walk};
use super::write::{Writing, write_document};
use crate::files::{NodeKind, Tree, below, split};

/// Where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyTarget<'a> {
    /// The root that is changed; with `--link` an empty directory.
    pub(crate) tree: &'a Tree,
    /// Whom all is to belong to; else each file keeps its owner.
    pub(crate) owner: Option<(u32, u32)>,
}

impl CopyPlan {
    /// Copies what was found. What an error leaves is for the caller to throw away.
    pub(crate) fn copy(
        &self,
        found: &Found,
        sources: Sources<'_>,
        target: CopyTarget<'_>,
        token: &CancellationToken,
    ) -> Result<(), CopyError> {
        let placing = Placing { plan: self, target, token, is_one: found.items.len() == 1 };
        for item in &found.items {
            placing.place(item, sources)?;
        }
        Ok(())
    }
}

struct Placing<'a> {
    plan: &'a CopyPlan,
    target: CopyTarget<'a>,
    token: &'a CancellationToken,
    is_one: bool,
}

impl Placing<'_> {
    fn place(&self, item: &Item, sources: Sources<'_>) -> Result<(), CopyError> {
        let unpack = match &self.plan.sources[item.source] {
            Source::Document { content, .. } => {
                let (path, directory, name) = self.place_of(&item.name)?;
                let place = (directory.as_fd(), name.as_slice(), path.as_slice());
                return write_document(
                    place,
                    content,
                    &self.orders().dress(&Status::of_document()),
                );
            }
            Source::Path { unpack, .. } | Source::Web { unpack, .. } => *unpack,
            Source::Git { .. } => false,
        };
        let tree = sources.tree_of(&self.plan.sources[item.source])?;
        if item.is_directory {
            return self.content(tree, item);
        }
        let (above, name) = split(&item.path);
        let above = tree.directory(above).tried("look at", &item.path)?;
        let status = Status::of(&above, name).tried("look at", &item.path)?;
        if unpack
            && status.kind == FileType::RegularFile
            && let Some(archive) = open_archive(tree, &item.path)?
        {
            let new = NewDirectory { owner: self.target.owner, ..NewDirectory::default() };
            let (real, _) = make_directory(self.target.tree, self.plan.destination.path(), new)?;
            let archive = (archive, item.path.as_slice());
            return unpack_archive(archive, self.target.tree, &real, self.target.owner);
        }
        let (path, directory, name_there) = self.place_of(&item.name)?;
        let path = split(&path).0.to_vec();
        let mut writing = self.writing((path, directory));
        let entry = Entry { directory: above.as_fd(), name, path: &item.path, status: &status };
        writing.write(&entry, &name_there)
    }

    /// Copies a directory's content. The directory itself stays as it is there, or is made like
    /// any other that is missing; it gets the times of what was copied.
    fn content(&self, tree: &Tree, item: &Item) -> Result<(), CopyError> {
        let (Source::Path { filter, .. } | Source::Git { filter, .. }) =
            &self.plan.sources[item.source]
        else {
            return Err(CopyError::NoContext);
        };
        let destination = &self.plan.destination;
        make_directory(self.target.tree, destination.made_first(), self.new_directory())?;
        let real = self.resolved(destination.path())?;
        if self.kind(&real)?.is_some_and(|kind| kind != NodeKind::Directory) {
            return Err(CopyError::NotADirectory(crate::files::shown(destination.path())));
        }
        let (real, made) = make_directory(self.target.tree, &real, self.new_directory())?;
        let node = tree.look(&item.path).tried("open", &item.path)?;
        let open = node.open_directory().tried("open", &item.path)?;
        let mut writing = self.writing((real, made));
        walk(open, &item.path, filter, self.token, &mut writing)
    }

    /// Where a file goes: its path, the directory and its name there.
    fn place_of(&self, name: &[u8]) -> Result<(Vec<u8>, OwnedFd, Vec<u8>), CopyError> {
        let destination = &self.plan.destination;
        make_directory(self.target.tree, destination.made_first(), self.new_directory())?;
        let mut real = self.resolved(destination.path())?;
        if self.kind(&real)? == Some(NodeKind::Directory) {
            // What has its name there is replaced, also if it is a link.
            real = below(&real, name);
        } else if !self.is_one {
            return Err(CopyError::SeveralToOne(self.plan.keyword.as_str()));
        }
        let (above, name) = split(&real);
        let (_, directory) = make_directory(self.target.tree, above, self.new_directory())?;
        let name = name.to_vec();
        Ok((real, directory, name))
    }

    fn resolved(&self, path: &[u8]) -> Result<Vec<u8>, CopyError> {
        self.target.tree.follow(path).tried("look at", path)
    }

    /// What is at a path without links; none if there is nothing.
    fn kind(&self, path: &[u8]) -> Result<Option<NodeKind>, CopyError> {
        match self.target.tree.look(path) {
            Ok(node) => Ok(Some(node.kind())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CopyError::io("look at", path, error)),
        }
    }

    /// A mode that is a number is that of directories, too.
    fn new_directory(&self) -> NewDirectory {
        let mode = match self.plan.mode {
            Some(FileMode::Octal(mode)) => mode,
            Some(FileMode::Symbolic(_)) | None => NewDirectory::default().mode,
        };
        NewDirectory { mode, owner: self.target.owner }
    }

    fn writing(&self, place: (Vec<u8>, OwnedFd)) -> Writing<'_> {
        Writing::new(self.target.tree, self.orders(), self.token, place)
    }

    fn orders(&self) -> Orders<'_> {
        Orders { owner: self.target.owner, mode: self.plan.mode.as_ref() }
    }
}
