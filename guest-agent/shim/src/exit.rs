//! The exit status on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::wire::ExitRecord;

/// Writes the record so that the file is there as a whole or not at all. The file that is
/// returned is still to be synced, for the record to outlive a power cut.
///
/// Nobody needs to wait for that: what a power cut could take is the status of a process that
/// ended in the moment before it.
pub(crate) fn write_record(path: &Path, record: &ExitRecord) -> io::Result<File> {
    let scratch = path.with_extension("json.new");
    let mut file = File::create(&scratch)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    fs::rename(&scratch, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn the_record_replaces_an_older_one_and_leaves_nothing_else() -> anyhow::Result<()> {
        let directory = tempdir()?;
        let path = directory.path().join("exit.json");
        for code in [1, 137] {
            let record = ExitRecord { code, oom_killed: false, at: "now".to_owned() };
            drop(write_record(&path, &record)?);
            assert_eq!(serde_json::from_slice::<ExitRecord>(&fs::read(&path)?)?, record);
        }
        assert_eq!(fs::read_dir(directory.path())?.count(), 1);
        Ok(())
    }
}
