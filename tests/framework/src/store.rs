//! What the image store's index says of its layers.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Names of the layers, as their directories have them, and their sizes.
pub fn indexed_layers(index: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let index = Connection::open_with_flags(index, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut rows = index.prepare("SELECT name, size FROM layer")?;
    let rows = rows.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)))?;
    rows.map(|row| row.map(|(name, size)| (base_36(name), size.into())).map_err(Into::into))
        .collect()
}

fn base_36(mut number: u32) -> String {
    let mut digits = String::new();
    while number > 0 {
        digits.extend(char::from_digit(number % 36, 36));
        number /= 36;
    }
    digits.chars().rev().collect()
}
