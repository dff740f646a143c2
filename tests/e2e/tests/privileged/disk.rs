//! The data disk, and who may use it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};
use naru_test_framework::Vm;

/// Where ext4 keeps its first superblock (`Documentation/filesystems/ext4/super.rst`).
const SUPERBLOCK: u64 = 1024;
/// What is there instead.
const JUNK: [u8; 1024] = [0x5a; 1024];

/// Gives the machine a disk at which it gives up its start.
pub(crate) fn break_disk(vm: &Vm) -> Result<File> {
    let disk = vm.data_disk();
    fs::create_dir_all(disk.parent().context("a file is in a directory")?)?;
    fs::copy(vm.images().join("data.img"), &disk)?;
    let broken = File::options().read(true).write(true).open(&disk)?;
    broken.write_all_at(&JUNK, SUPERBLOCK)?;
    Ok(broken)
}

#[test]
fn a_data_disk_that_cannot_be_read_is_named_and_left_as_it_is() -> Result<()> {
    let vm = Vm::new()?;
    let broken = break_disk(&vm)?;
    let refused = vm.naru(&["start"])?;
    let said = refused.failure(5)?;
    assert!(said.contains("it has no ext4 file system"), "{said}");
    assert!(said.contains("nothing was changed on it"), "{said}");
    let mut found = [0; 1024];
    broken.read_exact_at(&mut found, SUPERBLOCK)?;
    assert_eq!(found, JUNK, "the disk was written to");
    Ok(())
}

#[test]
fn a_reset_leaves_nothing_of_what_was_but_the_settings() -> Result<()> {
    let vm = Vm::new()?;
    vm.naru(&["start"])?.success().with_context(|| vm.console())?;
    vm.docker(&["volume", "create", "mine"])?.success()?;
    let settings = vm.naru(&["config", "get"])?.success()?.to_owned();
    vm.naru(&["reset", "--yes"])?.success()?;
    assert!(!vm.data_disk().exists());
    assert_eq!(vm.naru(&["config", "get"])?.success()?, settings);
    vm.naru(&["start"])?.success().with_context(|| vm.console())?;
    assert_eq!(vm.docker(&["volume", "ls", "-q"])?.success()?, "");
    Ok(())
}

#[test]
fn two_starts_at_once_make_one_machine() -> Result<()> {
    let vm = Vm::new()?;
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| vm.naru(&["start"]));
        (vm.naru(&["start"]), first.join())
    });
    second.ok().context("the thread ended well")??.success().with_context(|| vm.console())?;
    first?.success().with_context(|| vm.console())?;
    let qemu = vm.qemu()?;
    vm.naru(&["start"])?.success()?;
    assert_eq!(vm.qemu()?, qemu, "it was started anew");
    Ok(())
}
