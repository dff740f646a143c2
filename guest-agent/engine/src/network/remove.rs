//! Removing networks that nobody is in.

use std::sync::Arc;

use naru_network::Attachment;

use super::live::Network;
use super::record::NetworkRecord;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// Removes a network, unless a running container is in it.
    pub(crate) async fn remove_network(&self, network: &Arc<Network>) -> Result<()> {
        if !network.record.is_user_defined() {
            return Err(EngineError::Forbidden(format!(
                "{} is a pre-defined network and cannot be removed",
                network.record.name
            )));
        }
        let (engine, network) = (self.clone(), Arc::clone(network));
        self.run_to_end(async move {
            let _one_at_a_time = engine.network().changing().lock().await;
            network.close()?;
            let removed = engine.remove_closed(&network).await;
            if removed.is_err() {
                if let Some(Attachment::Bridge(bridge)) = &network.attachment
                    && let Err(error) = engine.network().kernel.ensure_bridge(bridge).await
                {
                    tracing::warn!(bridge = bridge.name, %error, "a bridge is gone");
                }
                network.reopen();
            }
            removed
        })
        .await
    }

    async fn remove_closed(&self, network: &Network) -> Result<()> {
        // The kernel's part first: a crash after it leaves a network that the next engine
        // brings up again, a crash after the other a bridge that nobody knows.
        if let Some(Attachment::Bridge(bridge)) = &network.attachment {
            self.network().kernel.remove_bridge(&bridge.name).await?;
        }
        self.database().delete_network(&network.record.id).await?;
        self.network().networks.remove(&network.record.id);
        self.network_event("destroy", &network.record, None);
        Ok(())
    }

    /// Removes every network of users' that nobody is in and that is `wanted` gone; their names.
    pub(crate) async fn prune_networks(
        &self,
        wanted: impl Fn(&NetworkRecord) -> bool + Send,
    ) -> Result<Vec<String>> {
        let Ok(_alone) = self.pruning().try_lock() else {
            return Err(EngineError::Conflict("a prune operation is already running".to_owned()));
        };
        let mut names = Vec::new();
        for network in self.network().all() {
            let record = &network.record;
            if !record.is_user_defined() || !network.is_empty() || !wanted(record) {
                continue;
            }
            match self.remove_network(&network).await {
                Ok(()) => names.push(record.name.clone()),
                // Someone has just come in, or removes it too.
                Err(error) => tracing::info!(network = record.name, %error, "not pruned"),
            }
        }
        let reclaimed = [("reclaimed".to_owned(), "0".to_owned())];
        self.events().publish("network", "prune", "", reclaimed.into());
        Ok(names)
    }
}
