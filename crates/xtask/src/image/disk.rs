//! The data disk's template: an empty ext4 file system in a sparse file.
//!
//! The first start copies it, makes the copy as large as the settings say, and init
//! grows the file system online; so nothing is formatted on anybody's machine.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// The template's size, which is also the smallest data disk there can be.
const TEMPLATE_BYTES: u64 = 1 << 30;

/// Fixed, because a file system's identifier is part of its bytes. The disk is found
/// by serial or label, and no machine has two of them.
const UUID: &str = "6e617275-6461-4461-8461-000000000001";
const HASH_SEED: &str = "6e617275-6461-4461-8461-000000000002";

/// What mke2fs takes for the present time, in seconds since the epoch.
const FAKE_TIME: &str = "1";

/// Writes the template.
pub(crate) fn create(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
        _ => {}
    }
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.set_len(TEMPLATE_BYTES).with_context(|| format!("cannot size {}", path.display()))?;
    // assume_storage_prezeroed: a new sparse file reads as zeros, so neither mke2fs nor
    // the kernel later has to write them.
    let extended = format!(
        "hash_seed={HASH_SEED},nodiscard,root_owner=0:0,resize={MOST_BLOCKS},\
         lazy_itable_init=1,lazy_journal_init=1,assume_storage_prezeroed=1"
    );
    process::run(
        Command::new("mke2fs")
            .env("MKE2FS_CONFIG", workspace::root().join("vm-images/mke2fs.conf"))
            .env("E2FSPROGS_FAKE_TIME", FAKE_TIME)
            .args(["-q", "-F", "-t", "ext4", "-L", "naru-data", "-U", UUID])
            .args(["-m", "0", "-J", "size=64", "-e", "remount-ro", "-E", &extended])
            .arg(path),
    )
}

/// Room for the group descriptors of 8 TiB, in blocks; ext4 reserves no more.
const MOST_BLOCKS: u64 = (8 << 40) / 4096;
