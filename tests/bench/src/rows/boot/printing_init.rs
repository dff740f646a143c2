//! The smallest initramfs: busybox as an init that prints a line and waits.
//!
//! A "newc" cpio archive (the kernel's `buffer-format.rst`).

use std::fs;

use anyhow::Result;
use naru_test_framework::images::BUSYBOX;

/// What it prints.
pub(super) const LINE: &str = "naru-bench: init runs";

const ALIGNMENT: usize = 4;
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;
/// `devices.txt`: the kernel opens it for init.
const CONSOLE: (u32, u32) = (5, 1);
const NO_DEVICE: (u32, u32) = (0, 0);

/// The archive.
pub(super) fn initramfs() -> Result<Vec<u8>> {
    let init = format!("#!/busybox sh\necho '{LINE}'\nexec /busybox sleep 86400\n");
    let mut archive = Vec::new();
    append(&mut archive, "dev", DIRECTORY, NO_DEVICE, b"");
    append(&mut archive, "dev/console", DEVICE, CONSOLE, b"");
    append(&mut archive, "busybox", PROGRAM, NO_DEVICE, &fs::read(BUSYBOX)?);
    append(&mut archive, "init", PROGRAM, NO_DEVICE, init.as_bytes());
    append(&mut archive, "TRAILER!!!", 0, NO_DEVICE, b"");
    Ok(archive)
}

fn append(archive: &mut Vec<u8>, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
    // Only hard links need inode numbers that differ.
    let (inode, owner, links, time, checksum) = (0, 0, 1, 0, 0);
    let fields = [
        inode,
        mode as usize,
        owner,
        owner,
        links,
        time,
        content.len(),
        0,
        0,
        device.0 as usize,
        device.1 as usize,
        name.len() + 1,
        checksum,
    ];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(content);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(ALIGNMENT), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_contents_are_aligned() {
        let mut archive = Vec::new();
        append(&mut archive, "init", PROGRAM, NO_DEVICE, b"hello");
        append(&mut archive, "TRAILER!!!", 0, NO_DEVICE, b"");
        // 110 bytes of header, the name and its end.
        assert_eq!(&archive[110..116], b"init\0\0");
        assert_eq!(&archive[116..124], b"hello\0\0\0");
        assert_eq!(&archive[124..130], b"070701");
    }
}
