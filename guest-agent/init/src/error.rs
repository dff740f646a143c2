//! What can stop the machine from coming up.

use std::io;
use std::path::PathBuf;

use naru_error::ErrorKind;
use thiserror::Error;

use crate::superblock::NotExt4;

/// A failure that leaves the machine unusable; init says it and powers off.
#[derive(Debug, Error)]
pub enum InitError {
    /// One of the file systems every program expects could not be mounted.
    #[error("cannot mount {target}")]
    Mount {
        /// Where it was to be mounted.
        target: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file or directory of the initramfs or of a kernel file system.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was tried, as an infinitive.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Neither the serial number nor the label of any disk says it is the data disk.
    #[error("the data disk is missing")]
    DiskMissing,
    /// The data disk holds something else.
    #[error("the data disk {} cannot be used", device.display())]
    DiskFormat {
        /// The block device.
        device: PathBuf,
        /// What is wrong with its superblock.
        source: NotExt4,
    },
    /// The file system reaches beyond the end of the disk.
    #[error(
        "the data disk {} was cut off: its file system has {filesystem_bytes} bytes, the disk {device_bytes}",
        device.display()
    )]
    DiskCut {
        /// The block device.
        device: PathBuf,
        /// The file system's size.
        filesystem_bytes: u64,
        /// The device's size.
        device_bytes: u64,
    },
    /// `e2fsck -p` found what it must not repair by itself.
    #[error("the data disk {} is damaged beyond automatic repair (e2fsck status {status})", device.display())]
    DiskDamaged {
        /// The block device.
        device: PathBuf,
        /// `e2fsck`'s exit status.
        status: i32,
    },
    /// The kernel refused to mount the data disk.
    #[error("cannot mount the data disk {}", device.display())]
    DiskMount {
        /// The block device.
        device: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The signals that drive the supervisor could not be set up.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
}

impl InitError {
    /// Which sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::DiskMissing => ErrorKind::NotFound,
            Self::DiskFormat { .. } | Self::DiskCut { .. } | Self::DiskDamaged { .. } => {
                ErrorKind::Precondition
            }
            Self::Mount { .. } | Self::File { .. } | Self::DiskMount { .. } | Self::Signals(_) => {
                ErrorKind::Internal
            }
        }
    }

    /// What the person who reads the log can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::DiskMissing => {
                Some("start the machine with its data disk attached under the serial naru-data")
            }
            Self::DiskFormat { .. } | Self::DiskCut { .. } | Self::DiskMount { .. } => Some(
                "nothing was changed on it; put back the disk file that belongs there, \
                 or move this one away to start with an empty disk",
            ),
            Self::DiskDamaged { .. } => Some(
                "copy the disk file before anything else, then run e2fsck -f on the copy, \
                 or move it away to start with an empty disk",
            ),
            Self::Mount { .. } | Self::File { .. } | Self::Signals(_) => None,
        }
    }
}
