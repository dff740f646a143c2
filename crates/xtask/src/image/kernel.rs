//! The kernel in the form that QEMU starts fastest.
//!
//! On `x86_64` that is the ELF file inside the bzImage: QEMU enters it by the PVH entry
//! point, and nothing is decompressed in the machine. On aarch64 Debian's file is the
//! uncompressed `Image` already.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Arch;

const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
const ELF_MAGIC: &[u8] = b"\x7fELF";
/// `ARM\x64` at byte 56 of an arm64 `Image` (the kernel's `arch/arm64/booting.rst`).
const ARM64_MAGIC: &[u8] = b"ARM\x64";
const ARM64_MAGIC_OFFSET: usize = 56;

/// Offsets in a bzImage's setup header (the kernel's `arch/x86/boot.rst`).
const SETUP_SECTORS: usize = 0x1F1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24C;
const SECTOR_BYTES: usize = 512;
/// The build appends the decompressed size to the payload.
const SIZE_SUFFIX: usize = 4;

/// The file's name in the image's folder.
pub(crate) fn file_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "vmlinux",
        Arch::Aarch64 => "Image",
    }
}

/// Takes the kernel out of an unpacked kernel package.
pub(crate) fn extract(package: &Path, arch: Arch) -> Result<Vec<u8>> {
    let path = find(&package.join("boot"))?;
    let file = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    match arch {
        Arch::X86_64 => {
            let kernel = decompress(payload(&file)?)?;
            if !kernel.starts_with(ELF_MAGIC) {
                bail!("{} holds no ELF file", path.display());
            }
            Ok(kernel)
        }
        Arch::Aarch64 => {
            if file.get(ARM64_MAGIC_OFFSET..ARM64_MAGIC_OFFSET + 4) != Some(ARM64_MAGIC) {
                bail!("{} is no uncompressed arm64 kernel", path.display());
            }
            Ok(file)
        }
    }
}

fn find(boot: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(boot).with_context(|| format!("cannot read {}", boot.display()))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")) {
            return Ok(path);
        }
    }
    bail!("{} has no kernel", boot.display())
}

/// The compressed kernel inside a bzImage.
fn payload(file: &[u8]) -> Result<&[u8]> {
    let number = |offset: usize| -> Option<usize> {
        let bytes = file.get(offset..offset + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let find = || {
        let sectors = usize::from(*file.get(SETUP_SECTORS)?);
        let start = (sectors + 1) * SECTOR_BYTES + number(PAYLOAD_OFFSET)?;
        let length = number(PAYLOAD_LENGTH)?.checked_sub(SIZE_SUFFIX)?;
        file.get(start..start.checked_add(length)?)
    };
    let payload = find().context("the bzImage's header points outside of it")?;
    if !payload.starts_with(ZSTD_MAGIC) {
        bail!("the kernel is not compressed with zstd");
    }
    Ok(payload)
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>> {
    let mut zstd = Command::new("zstd")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run zstd")?;
    let mut input = zstd.stdin.take().context("zstd has no standard input")?;
    let content = payload.to_vec();
    // zstd writes while it reads, so one thread alone would wait for ever.
    let feeder = std::thread::spawn(move || input.write_all(&content));
    let output = zstd.wait_with_output().context("cannot read from zstd")?;
    if !output.status.success() {
        bail!("zstd failed: {}", output.status);
    }
    match feeder.join() {
        Ok(result) => result.context("cannot write to zstd")?,
        Err(_) => bail!("the thread that feeds zstd panicked"),
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_by_the_setup_header() {
        let mut file = vec![0; 2 * SECTOR_BYTES + 40];
        file[SETUP_SECTORS] = 1;
        file[PAYLOAD_OFFSET] = 16;
        file[PAYLOAD_LENGTH] = 12;
        file[2 * SECTOR_BYTES + 16..][..8].copy_from_slice(b"\x28\xB5\x2F\xFDdata");
        assert_eq!(payload(&file).unwrap(), b"\x28\xB5\x2F\xFDdata");
        file[PAYLOAD_LENGTH] = 200;
        assert!(payload(&file).is_err(), "a payload past the end is refused");
    }
}
