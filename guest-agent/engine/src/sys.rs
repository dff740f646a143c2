//! Calls of the C library's and the kernel's that have no safe wrapper.
#![expect(unsafe_code, reason = "malloc_trim and FITRIM have no safe wrapper")]

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Gives the kernel what the heap holds free (`malloc_trim(3)`): after a pull, whose many
/// threads each filled an arena of their own, that is more than all that is in use.
pub(crate) fn trim_heap() {
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// `struct fstrim_range` of `linux/fs.h`.
#[repr(C)]
#[derive(Debug)]
struct TrimRange {
    start: u64,
    length: u64,
    shortest: u64,
}

const FITRIM: Opcode = opcode::read_write::<TrimRange>(b'X', 121);

/// Tells the disk below the file system of `directory` which blocks hold nothing; gives their
/// bytes. Blocks for as long as the disk takes.
pub(crate) fn trim_file_system(directory: &Path) -> io::Result<u64> {
    let directory = File::open(directory)?;
    // Blocks of removed files are free once their removal is on the disk.
    rustix::fs::syncfs(&directory)?;
    let mut range = TrimRange { start: 0, length: u64::MAX, shortest: 0 };
    // SAFETY: FITRIM reads and writes one `struct fstrim_range`, which `TrimRange` is laid out as.
    let trim = unsafe { Updater::<FITRIM, _>::new(&mut range) };
    // SAFETY: the range lives until the call has returned, and the kernel keeps nothing of it.
    unsafe { ioctl(&directory, trim) }?;
    Ok(range.length)
}
