//! Extended attributes that archives carry.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;

/// Names and values.
pub(crate) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// The kernel's own limit on a list of names and on a value.
const KERNEL_MAX: usize = 64 << 10;
/// More on one file than any program leaves there.
const TOTAL_MAX: usize = 512 << 10;
/// What is made in a directory that has it gets it for its own ACL.
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
/// Whoever has more than a hundred users in an ACL has a group for them.
const ACL_MAX: usize = 1 << 10;

/// The attributes of an open file or directory that an archive carries.
pub(crate) fn read(file: impl AsFd) -> io::Result<Attributes> {
    let mut attributes = Attributes::new();
    let mut total = 0;
    let names = match value(|buffer| flistxattr(&file, buffer)) {
        Err(Errno::NOTSUP) => return Ok(attributes),
        names => names?,
    };
    for name in names.split(|&byte| byte == 0).filter(|name| is_carried(name)) {
        let found = match value(|buffer| fgetxattr(&file, name, buffer)) {
            // Taken away since.
            Err(Errno::NODATA) => continue,
            found => found?,
        };
        total += name.len() + found.len();
        if total > TOTAL_MAX {
            return Err(Errno::TOOBIG.into());
        }
        attributes.push((name.to_vec(), found));
    }
    Ok(attributes)
}

/// Sets those that an archive may set. A file system without attributes still gets the file.
pub(crate) fn write(file: impl AsFd, attributes: &[(Vec<u8>, Vec<u8>)]) -> Result<(), Errno> {
    for (name, value) in attributes.iter().filter(|(name, _)| is_carried(name)) {
        match fsetxattr(&file, name.as_slice(), value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Takes those away from a directory's that are to be set when all is in it.
pub(super) fn take_late(attributes: &mut Attributes) -> Attributes {
    let is_late = |(name, value): &mut (Vec<u8>, Vec<u8>)| {
        name.as_slice() == DEFAULT_ACL && value.len() <= ACL_MAX
    };
    attributes.extract_if(.., is_late).collect()
}

/// `trusted.overlay.*` speaks to overlayfs, and labels of security modules are the host's.
fn is_carried(name: &[u8]) -> bool {
    let user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
    user || name == b"security.capability" || name.starts_with(b"system.posix_acl_")
}

fn value(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    let length = match read(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer.resize(KERNEL_MAX, 0);
            read(&mut buffer)?
        }
        length => length?,
    };
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::super::{Tree, UnpackOptions, copy_content, pack_content, pack_with_holes, unpack};
    use super::*;

    #[test]
    fn attributes_go_through_an_archive() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["from", "to"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let file = File::create(directory.path().join("from/file")).unwrap();
        let noted = vec![(b"user.note".to_vec(), vec![7; 1000])];
        match fsetxattr(&file, "user.note", &noted[0].1, XattrFlags::empty()) {
            // Not on this file system.
            Err(Errno::NOTSUP) => return,
            set => set.unwrap(),
        }
        let tree = |name: &str| Tree::at(&directory.path().join(name)).unwrap();
        let mut archive = Vec::new();
        pack_content(&mut archive, &tree("from").root().unwrap()).unwrap();
        unpack(&tree("to"), b"/", UnpackOptions::default(), archive.as_slice()).unwrap();
        let copy = File::open(directory.path().join("to/file")).unwrap();
        assert_eq!(read(&copy).unwrap(), noted);
    }

    #[test]
    fn a_file_that_is_older_than_its_directorys_default_acl_does_not_get_it() {
        // Version 2, and what owner, user 12345, group, mask and others may do.
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, may, id) in [
            (1_u16, 7_u16, u32::MAX),
            (2, 6, 12345),
            (4, 5, u32::MAX),
            (16, 7, u32::MAX),
            (32, 5, u32::MAX),
        ] {
            acl.extend([tag.to_le_bytes(), may.to_le_bytes()].concat());
            acl.extend(id.to_le_bytes());
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("from/inner/deep")).unwrap();
        fs::write(at("from/inner/file"), "").unwrap();
        let open = |name: &str| File::open(at(name)).unwrap();
        for name in ["from", "from/inner"] {
            match fsetxattr(open(name), DEFAULT_ACL, &acl, XattrFlags::empty()) {
                // Not on this file system.
                Err(Errno::NOTSUP) => return,
                set => set.unwrap(),
            }
        }
        for name in ["copied", "unpacked"] {
            fs::create_dir(at(name)).unwrap();
        }
        let tree = |name: &str| Tree::at(&at(name)).unwrap();
        copy_content(&tree("from").root().unwrap(), &tree("copied")).unwrap();
        let mut archive = Vec::new();
        pack_with_holes(&mut archive, &tree("from").root().unwrap(), ".").unwrap();
        let whole = UnpackOptions { whole: true, ..UnpackOptions::default() };
        unpack(&tree("unpacked"), b"/", whole, archive.as_slice()).unwrap();
        for top in ["copied", "unpacked"] {
            for name in ["", "inner"] {
                let expected = [(DEFAULT_ACL.to_vec(), acl.clone())];
                assert_eq!(read(open(&format!("{top}/{name}"))).unwrap(), expected, "{top}/{name}");
            }
            for name in ["inner/file", "inner/deep"] {
                let found = read(open(&format!("{top}/{name}"))).unwrap();
                assert_eq!(found, Attributes::new(), "{top}/{name}");
            }
        }
    }

    #[test]
    fn an_archive_cannot_speak_to_overlayfs_or_security_modules() {
        for name in ["user.note", "security.capability", "system.posix_acl_access"] {
            assert!(is_carried(name.as_bytes()), "{name}");
        }
        for name in ["trusted.overlay.opaque", "user.overlay.opaque", "security.selinux", ""] {
            assert!(!is_carried(name.as_bytes()), "{name}");
        }
    }
}
