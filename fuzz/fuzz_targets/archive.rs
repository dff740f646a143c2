//! A layer's archive: whatever it has, it is unpacked into its directory or refused.

#![no_main]

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|tar: &[u8]| {
    let mut tar = tar.to_vec();
    fix_checksums(&mut tar);
    if let Err(error) = unpack(&tar) {
        panic!("no folder to unpack in: {error}");
    }
});

fn unpack(tar: &[u8]) -> io::Result<()> {
    let outer = tempfile::tempdir()?;
    let [canary, files, record] = ["canary", "files", "record"].map(|name| outer.path().join(name));
    fs::write(&canary, b"alive")?;
    fs::create_dir(&files)?;
    fs::create_dir(&record)?;
    let around = || -> io::Result<_> {
        let beside = fs::read_dir(outer.path())?.count();
        Ok((beside, fs::read(&canary)?, canary.metadata()?.nlink()))
    };
    let before = around()?;
    let unpacked = naru_image_store::unpack(tar, &files, &record);
    assert_eq!(around()?, before, "something happened outside: {unpacked:?}");
    outer.close()
}

/// Else what is changed in a header is refused for the checksum, and nothing else of it is tried.
fn fix_checksums(tar: &mut [u8]) {
    let (blocks, _) = tar.as_chunks_mut::<512>();
    for block in blocks.iter_mut().filter(|block| &block[257..262] == b"ustar") {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}
