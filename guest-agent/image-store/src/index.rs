//! `index.db`: which images, names and layers there are.
//!
//! A row is the only proof that a thing exists. Every change is one transaction, on disk
//! when it returns (WAL with `synchronous=FULL`).

mod blobs;
mod names;
mod parents;
mod rows;
mod schema;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::digest::Digest;
use crate::error::ImageError;

pub(crate) use rows::{ImageRow, LayerRow, NewImage, NewLayer, NewManifest};

const BUSY: Duration = Duration::from_secs(10);

/// The open database.
#[derive(Debug)]
pub(crate) struct Index {
    connection: Mutex<Connection>,
}

impl Index {
    pub(crate) fn open(path: &Path) -> Result<Self, ImageError> {
        let connection = Self::prepare(path).map_err(ImageError::database("open"))?;
        schema::bring_up(&connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn prepare(path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic between two statements rolls the transaction back; the connection is fine.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ImageError> {
        read(&self.connection()).map_err(ImageError::database(operation))
    }

    pub(super) fn write<T>(
        &self,
        operation: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, ImageError> {
        let mut connection = self.connection();
        let written = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcome = write(&transaction)?;
            transaction.commit()?;
            Ok(outcome)
        };
        written().map_err(ImageError::database(operation))
    }

    /// The highest layer name ever given out.
    pub(crate) fn last_layer_name(&self) -> Result<u64, ImageError> {
        self.read("read the last layer", |connection| {
            connection
                .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'layer'", [], |row| {
                    row.get(0)
                })
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    pub(crate) fn layer(&self, diff_id: &Digest) -> Result<Option<LayerRow>, ImageError> {
        self.read("find a layer", |connection| {
            connection
                .prepare_cached("SELECT name, diff_id, size FROM layer WHERE diff_id = ?1")?
                .query_row([diff_id], LayerRow::from_row)
                .optional()
        })
    }

    pub(crate) fn all_layers(&self) -> Result<Vec<LayerRow>, ImageError> {
        self.read("list layers", |connection| {
            connection
                .prepare_cached("SELECT name, diff_id, size FROM layer")?
                .query_map([], LayerRow::from_row)?
                .collect()
        })
    }

    /// The layers that an image has.
    pub(crate) fn image_layers(&self) -> Result<HashSet<Digest>, ImageError> {
        self.read("list the layers of images", |connection| {
            connection
                .prepare_cached("SELECT DISTINCT diff_id FROM image_layer")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// Layers that no image needs.
    pub(crate) fn unneeded_layers(&self) -> Result<Vec<LayerRow>, ImageError> {
        self.read("list unneeded layers", |connection| {
            connection
                .prepare_cached(
                    "SELECT name, diff_id, size FROM layer
                     WHERE diff_id NOT IN (SELECT diff_id FROM image_layer)",
                )?
                .query_map([], LayerRow::from_row)?
                .collect()
        })
    }

    pub(crate) fn add_layer(&self, row: &LayerRow) -> Result<(), ImageError> {
        self.write("add a layer", |transaction| {
            transaction
                .execute(
                    "INSERT INTO layer (name, diff_id, size) VALUES (?1, ?2, ?3)",
                    params![row.name, row.diff_id, row.size],
                )
                .map(drop)
        })
    }

    /// Takes the row away, unless an image came to need it meanwhile.
    pub(crate) fn forget_layer(&self, row: &LayerRow) -> Result<bool, ImageError> {
        self.write("forget a layer", |transaction| {
            transaction
                .execute(
                    "DELETE FROM layer WHERE name = ?1
                     AND diff_id NOT IN (SELECT diff_id FROM image_layer)",
                    [row.name],
                )
                .map(|count| count > 0)
        })
    }
}
