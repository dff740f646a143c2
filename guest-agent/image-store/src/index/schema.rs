//! The tables of `index.db`, and how those of an older Naru become them.

use rusqlite::Connection;

use crate::error::ImageError;

const FIRST: &str = "
CREATE TABLE manifest (
    digest     TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    content    BLOB NOT NULL
) STRICT;
CREATE TABLE image (
    id              TEXT PRIMARY KEY,
    config          BLOB NOT NULL,
    manifest_digest TEXT REFERENCES manifest (digest),
    tagged_at_ns    INTEGER NOT NULL,
    -- Removed by force while a container still needs its layers.
    hidden          INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE layer (
    name    INTEGER PRIMARY KEY AUTOINCREMENT,
    diff_id TEXT NOT NULL UNIQUE,
    size    INTEGER NOT NULL
) STRICT;
CREATE TABLE image_layer (
    image_id        TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    diff_id         TEXT NOT NULL REFERENCES layer (diff_id),
    blob_digest     TEXT,
    blob_size       INTEGER,
    blob_media_type TEXT,
    PRIMARY KEY (image_id, position)
) STRICT;
CREATE INDEX image_layer_by_diff_id ON image_layer (diff_id);
CREATE TABLE tag (
    reference TEXT PRIMARY KEY,
    image_id  TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE
) STRICT;
CREATE TABLE repo_digest (
    name     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    PRIMARY KEY (name, digest)
) STRICT;
";

/// Where images and layers came from and went to.
const SECOND: &str = "
-- The image that a container ran which this one was made of, if it was made here.
ALTER TABLE image ADD COLUMN parent TEXT;
-- What a layer is known as in a repository (`docker.io/library/busybox`).
CREATE TABLE layer_blob (
    diff_id    TEXT NOT NULL REFERENCES layer (diff_id) ON DELETE CASCADE,
    repository TEXT NOT NULL,
    digest     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (diff_id, repository, digest)
) STRICT;
";

/// Names that stand for images of several platforms.
const THIRD: &str = "
-- What a tag stands for on platforms other than that of its own image. A tag that is given anew
-- or taken away takes these with it.
CREATE TABLE tag_platform (
    reference TEXT NOT NULL REFERENCES tag (reference) ON DELETE CASCADE,
    image_id  TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    PRIMARY KEY (reference, image_id)
) STRICT;
-- All that a tag stands for.
CREATE VIEW named AS
    SELECT reference, image_id, 0 AS place FROM tag
    UNION ALL SELECT reference, image_id, rowid FROM tag_platform;
";

/// Each leads from the version that is its position, kept in SQLite's `user_version`, to the next.
const STEPS: [&str; 3] = [FIRST, SECOND, THIRD];

/// Makes the tables what they are now, each step in one transaction.
pub(super) fn bring_up(connection: &Connection) -> Result<(), ImageError> {
    let found: usize = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(ImageError::database("read its version"))?;
    let missing = STEPS.get(found..).ok_or(ImageError::NewerIndex { found, known: STEPS.len() })?;
    for (step, version) in missing.iter().zip(found + 1..) {
        connection
            .execute_batch(&format!("BEGIN; {step} PRAGMA user_version={version}; COMMIT;"))
            .map_err(ImageError::database("bring its tables up"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> usize {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it has one")
    }

    #[test]
    fn an_old_index_becomes_a_new_one_and_a_newer_one_is_left_alone() {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(FIRST).expect("is made");
        connection
            .execute_batch(
                "PRAGMA user_version = 1;
                 INSERT INTO image (id, config, tagged_at_ns) VALUES ('sha256:x', x'00', 1);",
            )
            .expect("is filled");
        bring_up(&connection).expect("goes on");
        assert_eq!(version(&connection), STEPS.len());
        let kept = "SELECT count(*) FROM image WHERE parent IS NULL";
        let kept: usize = connection.query_row(kept, [], |row| row.get(0)).expect("is asked");
        assert_eq!(kept, 1, "what was in it stays");
        bring_up(&connection).expect("is there");

        connection.execute_batch("PRAGMA user_version = 99").expect("is set");
        let error = bring_up(&connection).expect_err("nobody knows what is in it");
        assert!(matches!(error, ImageError::NewerIndex { found: 99, .. }), "{error}");
    }
}
