//! Where containers are kept: SQLite, one row each.
//!
//! Written through (`synchronous = FULL`), because what was acknowledged must
//! survive the power going, which is how a VM ends that is killed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};
use tokio::task::spawn_blocking;

use super::migration;
use super::record::Record;
use crate::error::{EngineError, Result};

/// The schema's version; a newer one in the file is refused, an older one migrated.
const SCHEMA: i64 = 2;

/// The engine's database.
#[derive(Clone, Debug)]
pub(crate) struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// Opens or makes the database at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > SCHEMA {
            return Err(EngineError::Unsupported(format!(
                "{} was written by a newer Naru (schema {found}, this one knows {SCHEMA})",
                path.display()
            )));
        }
        // What is as it should be is not written, which a full disk would refuse.
        if found < SCHEMA {
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS container (
                    id     TEXT PRIMARY KEY,
                    record TEXT NOT NULL
                ) STRICT;
                CREATE TABLE IF NOT EXISTS network (
                    id     TEXT PRIMARY KEY,
                    record TEXT NOT NULL
                ) STRICT;
                CREATE TABLE IF NOT EXISTS volume (
                    name   TEXT PRIMARY KEY,
                    record TEXT NOT NULL
                ) STRICT;",
            )?;
            migration::name_networks(&connection)?;
            connection.pragma_update(None, "user_version", SCHEMA)?;
        }
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// All containers.
    pub(crate) async fn containers(&self) -> Result<Vec<Record>> {
        self.with(|connection| {
            let mut statement = connection.prepare("SELECT record FROM container")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| {
                serde_json::from_str(&row?).map_err(EngineError::encoding("a container's record"))
            })
            .collect()
        })
        .await
    }

    /// Writes `record`, new or changed.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn put_container(&self, record: &Record) -> Result<()> {
        let id = record.id.clone();
        let text =
            serde_json::to_string(record).map_err(EngineError::encoding("a container's record"))?;
        self.with(move |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO container (id, record) VALUES (?1, ?2)")?
                .execute(params![id, text])?;
            Ok(())
        })
        .await
    }

    /// The one door to the connection: off the async threads, one at a time.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = Arc::clone(&self.0);
        spawn_blocking(move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner)))
            .await
            .expect("database work does not panic and is not cancelled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", SCHEMA + 1).unwrap();
        drop(connection);
        let error = Database::open(&path).unwrap_err();
        assert!(error.to_string().contains("newer Naru"), "{error}");
    }
}
