//! Which files are copied.

use std::io;
use std::os::fd::OwnedFd;

use naru_dockerfile::{Attributes, Content, Fingerprint, GitSource, nearest};
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::error::{CopyError, Tried as _};
use super::fetch::Fetched;
use super::filter::Filter;
use super::hash::Hashing;
use super::plan::{CopyPlan, Source};
use super::walk::{Status, open_directory, walk};
use crate::files::{NodeKind, Tree, below, shown, split};
use crate::glob;

/// So many names are compared with one that is not there.
const NAMES_MAX: usize = 10_000;

/// Where the files of an instruction are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sources<'a> {
    /// The context's, or those of what `--from` names.
    pub(crate) tree: Option<&'a Tree>,
    /// What was fetched for it.
    pub(crate) fetched: Option<&'a Fetched>,
}

/// What is copied, in its order.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) items: Vec<Item>,
}

/// One file, or the content of a directory.
#[derive(Debug)]
pub(super) struct Item {
    /// The source, by its number.
    pub(super) source: usize,
    /// What it is called where it goes.
    pub(super) name: Vec<u8>,
    /// Where it is in its tree, without links.
    pub(super) path: Vec<u8>,
    pub(super) is_directory: bool,
    is_web: bool,
    fingerprint: Fingerprint,
}

impl Found {
    /// Names and fingerprints for a key. A directory's content has no name; a file of the web is
    /// told from one of a tree, which may be unpacked.
    pub(super) fn names(&self) -> Vec<(Vec<u8>, Fingerprint)> {
        let name = |item: &Item| match (item.is_directory, item.is_web) {
            (true, _) => Vec::new(),
            (false, true) => [b"\0", item.name.as_slice()].concat(),
            (false, false) => item.name.clone(),
        };
        self.items.iter().map(|item| (name(item), item.fingerprint)).collect()
    }
}

impl<'a> Sources<'a> {
    /// The tree that a source is in.
    pub(super) fn tree_of(&self, source: &Source) -> Result<&'a Tree, CopyError> {
        match source {
            Source::Web { .. } | Source::Git { .. } => self.fetched.map(Fetched::tree),
            Source::Path { .. } | Source::Document { .. } => self.tree,
        }
        .ok_or(CopyError::NoContext)
    }
}

impl CopyPlan {
    /// Finds what is copied, and hashes it.
    pub(crate) fn find(
        &self,
        sources: Sources<'_>,
        token: &CancellationToken,
    ) -> Result<Found, CopyError> {
        let mut items = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            match source {
                Source::Document { name, content } => items.push(document(number, name, content)),
                Source::Web { name, .. } => {
                    let tree = sources.tree_of(source)?;
                    let path = Fetched::path(number);
                    let item = Finder { plan: self, tree, number, token }.item(&path, false)?;
                    items.extend(item.map(|item| Item { name: name.clone().into(), ..item }));
                }
                Source::Git { source: GitSource { directory, .. }, .. } => {
                    let tree = sources.tree_of(source)?;
                    let whole = Fetched::path(number);
                    let path = below(&whole, directory.as_deref().unwrap_or_default().as_bytes());
                    items.extend(Finder { plan: self, tree, number, token }.item(&path, false)?);
                }
                Source::Path { path, .. } => {
                    let tree = sources.tree_of(source)?;
                    let finder = Finder { plan: self, tree, number, token };
                    let is_pattern = glob::is_pattern(path);
                    for path in finder.matching(path)? {
                        items.extend(finder.item(&path, is_pattern)?);
                    }
                }
            }
        }
        Ok(Found { items })
    }
}

fn document(source: usize, name: &str, content: &str) -> Item {
    let mode = Status::of_document().mode;
    let attributes = Attributes { mode, ..Attributes::default() };
    let content = Content::File(Fingerprint::of_bytes(content.as_bytes()));
    let fingerprint = Fingerprint::of_file(&attributes, content);
    let (_, base) = split(name.as_bytes());
    let name = if name.contains('/') { base } else { name.as_bytes() };
    let (path, name) = (Vec::new(), name.to_vec());
    Item { source, name, path, is_directory: false, is_web: false, fingerprint }
}

struct Finder<'a> {
    plan: &'a CopyPlan,
    tree: &'a Tree,
    number: usize,
    token: &'a CancellationToken,
}

impl Finder<'_> {
    /// The paths that match, sorted; the path itself if it is no pattern.
    fn matching(&self, path: &str) -> Result<Vec<Vec<u8>>, CopyError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(first) = parts.iter().position(|part| glob::is_pattern(part)) else {
            return Ok(vec![path.as_bytes().to_vec()]);
        };
        let before = format!("/{}", parts[..first].join("/"));
        let failed = |error| self.missing(before.as_bytes(), error);
        let real = self.tree.follow(before.as_bytes()).map_err(failed)?;
        let node = self.tree.look(&real).map_err(failed)?;
        let mut found = Vec::new();
        if node.kind() == NodeKind::Directory {
            let open = node.open_directory().tried("open", &real)?;
            self.match_in(open, &real, &parts[first..], &mut found)?;
        }
        Ok(found)
    }

    fn match_in(
        &self,
        directory: OwnedFd,
        path: &[u8],
        parts: &[&str],
        found: &mut Vec<Vec<u8>>,
    ) -> Result<(), CopyError> {
        let [part, rest @ ..] = parts else { return Ok(()) };
        if self.token.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let directory = Dir::new(directory).tried("read", path)?;
        let mut names = Vec::new();
        for name in self::names(directory, usize::MAX, |name| glob::matches(part, name)) {
            names.push(name.tried("read", path)?);
        }
        names.sort_unstable();
        let directory = self.tree.directory(path).tried("read", path)?;
        for name in names {
            let path = below(path, &name);
            if rest.is_empty() {
                found.push(path);
                continue;
            }
            let status = Status::of(&directory, &name).tried("open", &path)?;
            if status.kind == FileType::Directory {
                let inner = open_directory(&directory, &name).tried("open", &path)?;
                self.match_in(inner, &path, rest, found)?;
            }
        }
        Ok(())
    }

    /// Hashes what is at `path`; none if it is excluded.
    fn item(&self, path: &[u8], is_matched: bool) -> Result<Option<Item>, CopyError> {
        let source = &self.plan.sources[self.number];
        let failed = |error| self.missing(path, error);
        let real = self.tree.follow(path).map_err(failed)?;
        let node = self.tree.look(&real).map_err(failed)?;
        let (_, name) = split(path);
        let is_directory = node.kind() == NodeKind::Directory;
        let mut hashing = Hashing::new(false, self.token);
        if is_directory {
            let open = node.open_directory().tried("open", path)?;
            let trivial = Filter::default();
            let filter = match source {
                Source::Path { filter, .. } | Source::Git { filter, .. } => filter,
                Source::Web { .. } | Source::Document { .. } => &trivial,
            };
            walk(open, &real, filter, self.token, &mut hashing)?;
        } else if is_matched && self.plan.exclude.is_ignored(&shown(name)) {
            return Ok(None);
        } else {
            hashing.only(self.tree, &real)?;
        }
        if let Source::Path { required: Some(required), .. } = source
            && hashing.is_empty()
        {
            return Err(self.missing(required.as_bytes(), Errno::NOENT.into()));
        }
        let unsupported = || CopyError::Unsupported(format!("to copy the socket {}", shown(path)));
        let fingerprint = hashing.finish().ok_or_else(unsupported)?;
        let is_web = matches!(source, Source::Web { .. });
        let name = name.to_vec();
        Ok(Some(Item { source: self.number, name, path: real, is_directory, is_web, fingerprint }))
    }

    fn missing(&self, path: &[u8], error: io::Error) -> CopyError {
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            return CopyError::io("look at", path, error);
        }
        CopyError::Missing { path: shown(path), nearest: self.nearest(path) }
    }

    /// What is there instead, and may be meant: of the first part that is not there another name.
    fn nearest(&self, path: &[u8]) -> Option<String> {
        let mut here = b"/".to_vec();
        for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
            let next = below(&here, part);
            if self.tree.look(&next).is_ok() {
                here = next;
                continue;
            }
            let open = self.tree.follow(&here).and_then(|real| self.tree.look(&real));
            let directory = Dir::new(open.ok()?.open_directory().ok()?).ok()?;
            let names: Vec<String> = names(directory, NAMES_MAX, |_| true)
                .map_while(|name| name.ok().map(|name| shown(&name)))
                .collect();
            let meant = nearest(&shown(part), names.iter().map(String::as_str))?;
            return Some(shown(&below(&here, meant.as_bytes())));
        }
        None
    }
}

/// The names in a directory that are wanted.
fn names(
    directory: Dir,
    most: usize,
    wanted: impl Fn(&[u8]) -> bool,
) -> impl Iterator<Item = Result<Vec<u8>, Errno>> {
    directory.take(most).filter_map(move |entry| match entry {
        Ok(entry) => {
            let name = entry.file_name().to_bytes();
            let is_wanted = !matches!(name, b"." | b"..") && wanted(name);
            is_wanted.then(|| Ok(name.to_vec()))
        }
        Err(errno) => Some(Err(errno)),
    })
}
