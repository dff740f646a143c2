//! All networks, by id and by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::live::Network;
use crate::error::{EngineError, Result};

/// All networks that the engine knows.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<BTreeMap<String, Arc<Network>>>);

impl Registry {
    pub(super) fn insert(&self, network: Arc<Network>) {
        self.by_id().insert(network.record.id.clone(), network);
    }

    pub(super) fn remove(&self, id: &str) {
        self.by_id().remove(id);
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Network>> {
        let mut all: Vec<_> = self.by_id().values().cloned().collect();
        all.sort_by_key(|network| network.record.created);
        all
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<Network>> {
        self.by_id().values().find(|network| network.record.name == name).cloned()
    }

    /// Finds by full id, by name, by a beginning of an id, in this order.
    pub(super) fn find(&self, wanted: &str) -> Result<Arc<Network>> {
        let by_id = self.by_id();
        if let Some(network) = by_id.get(wanted) {
            return Ok(Arc::clone(network));
        }
        if let Some(network) = by_id.values().find(|network| network.record.name == wanted) {
            return Ok(Arc::clone(network));
        }
        let not_found = || EngineError::NoSuchNetwork(wanted.to_owned());
        if wanted.is_empty() {
            return Err(not_found());
        }
        let fitting = by_id.range(wanted.to_owned()..).take_while(|(id, _)| id.starts_with(wanted));
        let fitting: Vec<_> = fitting.map(|(_, network)| network).collect();
        match fitting.as_slice() {
            [] => Err(not_found()),
            [one] => Ok(Arc::clone(one)),
            more => Err(EngineError::Invalid(format!(
                "network {wanted} is ambiguous ({} matches found based on ID prefix)",
                more.len()
            ))),
        }
    }

    fn by_id(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Network>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
