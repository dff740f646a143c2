//! Where volumes are kept: a row each, in the engine's database.

use rusqlite::{Connection, params};

use super::record::VolumeRecord;
use crate::container::{Database, Record};
use crate::error::{EngineError, Result};

impl Database {
    /// All volumes.
    pub(crate) async fn volumes(&self) -> Result<Vec<VolumeRecord>> {
        self.with(|connection| {
            let mut statement = connection.prepare("SELECT record FROM volume")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| {
                serde_json::from_str(&row?).map_err(EngineError::encoding("a volume's record"))
            })
            .collect()
        })
        .await
    }

    /// Writes new volumes, and the container that they are for: all or nothing.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn put_volumes(
        &self,
        volumes: &[VolumeRecord],
        container: Option<&Record>,
    ) -> Result<()> {
        let encoded = |volume: &VolumeRecord| {
            let text = serde_json::to_string(volume);
            text.map(|text| (volume.name.clone(), text))
        };
        let volumes = volumes.iter().map(encoded).collect::<Result<Vec<_>, _>>();
        let volumes = volumes.map_err(EngineError::encoding("a volume's record"))?;
        let container = match container {
            Some(record) => {
                let text = serde_json::to_string(record)
                    .map_err(EngineError::encoding("a container's record"))?;
                Some((record.id.clone(), text))
            }
            None => None,
        };
        self.with(move |connection| {
            let transaction = connection.unchecked_transaction()?;
            for (name, text) in &volumes {
                put(&transaction, "INSERT OR REPLACE INTO volume VALUES (?1, ?2)", name, text)?;
            }
            if let Some((id, text)) = &container {
                put(&transaction, "INSERT OR REPLACE INTO container VALUES (?1, ?2)", id, text)?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    /// Forgets volumes, and the container that they were of: all or nothing.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn delete_volumes(
        &self,
        names: &[String],
        container_id: Option<&str>,
    ) -> Result<()> {
        let (names, container_id) = (names.to_vec(), container_id.map(str::to_owned));
        self.with(move |connection| {
            let transaction = connection.unchecked_transaction()?;
            for name in &names {
                transaction.execute("DELETE FROM volume WHERE name = ?1", params![name])?;
            }
            if let Some(id) = &container_id {
                transaction.execute("DELETE FROM container WHERE id = ?1", params![id])?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}

fn put(connection: &Connection, statement: &str, key: &str, record: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute(params![key, record])?;
    Ok(())
}
