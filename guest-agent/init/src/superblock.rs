//! The ext4 superblock, as far as init must know it before the mount.
//!
//! Layout: the kernel's `Documentation/filesystems/ext4/super.rst`. All fields are
//! little-endian.

use thiserror::Error;

/// Where the superblock starts on the device, in bytes.
pub(crate) const OFFSET: u64 = 1024;
/// Its length in bytes.
pub(crate) const LENGTH: usize = 1024;

const MAGIC: u16 = 0xEF53;
const STATE_CLEAN: u16 = 0x0001;
const STATE_ERROR: u16 = 0x0002;
const INCOMPAT_RECOVER: u32 = 0x0004;
const INCOMPAT_64BIT: u32 = 0x0080;
/// `s_log_block_size` counts from 1 KiB; ext4 knows blocks up to 64 KiB.
const MAX_LOG_BLOCK_SIZE: u32 = 6;

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Bytes per block.
    pub block_bytes: u64,
    /// Blocks of the file system.
    pub blocks: u64,
    /// Whether it was unmounted in order and has no known errors.
    pub clean: bool,
    /// The volume label.
    pub label: String,
}

/// Why bytes are no ext4 superblock.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum NotExt4 {
    /// The magic number is another.
    #[error("it has no ext4 file system")]
    Magic,
    /// A field has a value that ext4 does not know.
    #[error("its ext4 superblock is damaged")]
    Fields,
}

impl Superblock {
    /// Reads the fields out of the device's bytes from [`OFFSET`] on.
    pub(crate) fn parse(bytes: &[u8; LENGTH]) -> Result<Self, NotExt4> {
        if u16_at(bytes, 0x38) != MAGIC {
            return Err(NotExt4::Magic);
        }
        let log_block_size = u32_at(bytes, 0x18);
        if log_block_size > MAX_LOG_BLOCK_SIZE {
            return Err(NotExt4::Fields);
        }
        let block_bytes = 1024 << log_block_size;
        let incompat = u32_at(bytes, 0x60);
        let mut blocks = u64::from(u32_at(bytes, 0x4));
        if incompat & INCOMPAT_64BIT != 0 {
            blocks |= u64::from(u32_at(bytes, 0x150)) << 32;
        }
        if blocks == 0 || blocks.checked_mul(block_bytes).is_none() {
            return Err(NotExt4::Fields);
        }
        let state = u16_at(bytes, 0x3A);
        let clean = state & STATE_CLEAN != 0
            && state & STATE_ERROR == 0
            && incompat & INCOMPAT_RECOVER == 0;
        let label = &bytes[0x78..0x88];
        let end = label.iter().position(|&byte| byte == 0).unwrap_or(label.len());
        let label = String::from_utf8_lossy(&label[..end]).into_owned();
        Ok(Self { block_bytes, blocks, clean, label })
    }

    /// The file system's size in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks * self.block_bytes
    }
}

fn u16_at(bytes: &[u8; LENGTH], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn u32_at(bytes: &[u8; LENGTH], offset: usize) -> u32 {
    u32::from(u16_at(bytes, offset)) | u32::from(u16_at(bytes, offset + 2)) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4 KiB blocks, 16,777,216 of them, clean, label `naru-data`.
    fn sample() -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0x4..0x8].copy_from_slice(&0x0100_0000_u32.to_le_bytes());
        bytes[0x18..0x1C].copy_from_slice(&2_u32.to_le_bytes());
        bytes[0x38..0x3A].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x3A..0x3C].copy_from_slice(&STATE_CLEAN.to_le_bytes());
        bytes[0x60..0x64].copy_from_slice(&INCOMPAT_64BIT.to_le_bytes());
        bytes[0x78..0x81].copy_from_slice(b"naru-data");
        bytes
    }

    #[test]
    fn a_clean_file_system_is_read() {
        let superblock = Superblock::parse(&sample()).unwrap();
        assert_eq!(superblock.bytes(), 64 << 30);
        assert!(superblock.clean);
        assert_eq!(superblock.label, "naru-data");
    }

    #[test]
    fn the_upper_half_of_the_block_count_counts() {
        let mut bytes = sample();
        bytes[0x150..0x154].copy_from_slice(&1_u32.to_le_bytes());
        assert_eq!(Superblock::parse(&bytes).unwrap().blocks, (1 << 32) + 0x0100_0000);
    }

    #[test]
    fn a_journal_to_replay_and_recorded_errors_are_not_clean() {
        let mut journal = sample();
        journal[0x60..0x64].copy_from_slice(&INCOMPAT_RECOVER.to_le_bytes());
        assert!(!Superblock::parse(&journal).unwrap().clean);
        let mut errors = sample();
        errors[0x3A] = 3;
        assert!(!Superblock::parse(&errors).unwrap().clean);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(Superblock::parse(&[0; LENGTH]), Err(NotExt4::Magic));
        let mut bytes = sample();
        bytes[0x18] = 40;
        assert_eq!(Superblock::parse(&bytes), Err(NotExt4::Fields));
        let mut empty = sample();
        empty[0x4..0x8].fill(0);
        assert_eq!(Superblock::parse(&empty), Err(NotExt4::Fields));
    }
}
