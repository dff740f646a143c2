//! Which names a peer may send.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::TransferError;

/// Linux's own limits; a longer name could not be made anyway.
const LONGEST_PATH: usize = 4096;
const LONGEST_NAME: usize = 255;

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has no name at all.
    Empty,
    /// It begins with a slash.
    Absolute,
    /// It has an empty part, `.` or `..`.
    Unclean,
    /// It has a zero byte.
    Zero,
    /// It is longer than a file system takes.
    TooLong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::Absolute => "is absolute",
            Self::Unclean => "is not clean",
            Self::Zero => "has a zero byte",
            Self::TooLong => "is too long",
        })
    }
}

/// The path, if it names something below the root it is sent for, in the one way there is.
pub(super) fn checked(bytes: &[u8]) -> Result<PathBuf, TransferError> {
    let path = Path::new(OsStr::from_bytes(bytes)).to_owned();
    match fault(bytes) {
        None => Ok(path),
        Some(fault) => Err(TransferError::Path { path, fault }),
    }
}

fn fault(bytes: &[u8]) -> Option<Fault> {
    if bytes.is_empty() {
        return Some(Fault::Empty);
    }
    if bytes.starts_with(b"/") {
        return Some(Fault::Absolute);
    }
    if bytes.contains(&0) {
        return Some(Fault::Zero);
    }
    if bytes.len() > LONGEST_PATH {
        return Some(Fault::TooLong);
    }
    bytes.split(|byte| *byte == b'/').find_map(|name| match name {
        b"" | b"." | b".." => Some(Fault::Unclean),
        _ if name.len() > LONGEST_NAME => Some(Fault::TooLong),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clean_relative_paths_pass() {
        for (path, expected) in [
            ("a", None),
            ("a/..b/.c", None),
            ("", Some(Fault::Empty)),
            ("/a", Some(Fault::Absolute)),
            ("..", Some(Fault::Unclean)),
            ("a/../b", Some(Fault::Unclean)),
            ("./a", Some(Fault::Unclean)),
            ("a//b", Some(Fault::Unclean)),
            ("a/", Some(Fault::Unclean)),
            ("a\0b", Some(Fault::Zero)),
        ] {
            assert_eq!(fault(path.as_bytes()), expected, "{path:?}");
        }
        assert_eq!(fault(&[b'a'; 256]), Some(Fault::TooLong));
        assert_eq!(fault(&b"a/".repeat(2100)), Some(Fault::TooLong));
        assert_eq!(fault(b"\xff\xfe"), None, "a name need not be UTF-8");
    }
}
