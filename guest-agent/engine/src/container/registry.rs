//! All containers, by id and by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Container;
use crate::error::{EngineError, Result};

/// All containers the engine knows.
#[derive(Debug, Default)]
pub(crate) struct Containers(Mutex<Index>);

#[derive(Debug, Default)]
struct Index {
    by_id: BTreeMap<String, Arc<Container>>,
    /// Name to id; also holds the names of containers in the making.
    names: HashMap<String, String>,
}

impl Containers {
    /// Takes `name` for the container `id`, which need not exist yet.
    pub(crate) fn reserve_name(&self, name: &str, id: &str) -> Result<()> {
        let mut index = self.index();
        if let Some(holder) = index.names.get(name) {
            return Err(EngineError::NameInUse { name: name.to_owned(), holder: holder.clone() });
        }
        index.names.insert(name.to_owned(), id.to_owned());
        Ok(())
    }

    pub(crate) fn name_is_free(&self, name: &str) -> bool {
        !self.index().names.contains_key(name)
    }

    pub(crate) fn release_name(&self, name: &str) {
        self.index().names.remove(name);
    }

    /// Adds a container whose name is reserved.
    pub(crate) fn insert(&self, container: Arc<Container>) {
        self.index().by_id.insert(container.id.clone(), container);
    }

    /// Forgets a container and its name.
    pub(crate) fn remove(&self, container: &Container) {
        let mut index = self.index();
        index.by_id.remove(&container.id);
        index.names.retain(|_, id| *id != container.id);
    }

    /// Finds by full id, name (with or without slash) or unique id prefix, in this order.
    pub(crate) fn find(&self, wanted: &str) -> Result<Arc<Container>> {
        let index = self.index();
        let not_found = || EngineError::NoSuchContainer(wanted.to_owned());
        if let Some(container) = index.by_id.get(wanted) {
            return Ok(Arc::clone(container));
        }
        let name = wanted.strip_prefix('/').unwrap_or(wanted);
        if let Some(container) = index.names.get(name).and_then(|id| index.by_id.get(id)) {
            return Ok(Arc::clone(container));
        }
        if wanted.is_empty() {
            return Err(not_found());
        }
        let mut fitting = index
            .by_id
            .range(wanted.to_owned()..)
            .take_while(|(id, _)| id.starts_with(wanted))
            .map(|(_, container)| container);
        let first = fitting.next().ok_or_else(not_found)?;
        if fitting.next().is_some() {
            return Err(EngineError::AmbiguousPrefix(wanted.to_owned()));
        }
        Ok(Arc::clone(first))
    }

    /// All of them, newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        let mut all: Vec<_> = self.index().by_id.values().cloned().collect();
        all.sort_by_key(|container| std::cmp::Reverse(container.record.borrow().created));
        all
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
