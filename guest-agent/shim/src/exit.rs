//! The exit status on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::wire::ExitRecord;

/// Writes the record so that the file is either whole or not there, also after a power cut.
pub(crate) fn write_record(path: &Path, record: &ExitRecord) -> io::Result<()> {
    let scratch = path.with_extension("json.new");
    let mut file = File::create(&scratch)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_data()?;
    fs::rename(&scratch, path)
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
            write_record(&path, &record)?;
            assert_eq!(serde_json::from_slice::<ExitRecord>(&fs::read(&path)?)?, record);
        }
        assert_eq!(fs::read_dir(directory.path())?.count(), 1);
        Ok(())
    }
}
