//! Where networks are kept: in the engine's database, one row each.

use rusqlite::params;

use super::record::NetworkRecord;
use crate::container::Database;
use crate::error::{EngineError, Result};

impl Database {
    /// All networks that users have made.
    pub(crate) async fn networks(&self) -> Result<Vec<NetworkRecord>> {
        self.with(|connection| {
            let mut statement = connection.prepare("SELECT record FROM network")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| {
                serde_json::from_str(&row?).map_err(EngineError::encoding("a network's record"))
            })
            .collect()
        })
        .await
    }

    /// Keeps a new network.
    pub(crate) async fn put_network(&self, record: &NetworkRecord) -> Result<()> {
        let id = record.id.clone();
        let text =
            serde_json::to_string(record).map_err(EngineError::encoding("a network's record"))?;
        self.with(move |connection| {
            connection
                .prepare_cached("INSERT INTO network (id, record) VALUES (?1, ?2)")?
                .execute(params![id, text])?;
            Ok(())
        })
        .await
    }

    /// Forgets a network.
    pub(crate) async fn delete_network(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.with(move |connection| {
            connection.execute("DELETE FROM network WHERE id = ?1", params![id])?;
            Ok(())
        })
        .await
    }
}
