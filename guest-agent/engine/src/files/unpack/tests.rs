use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::*;

/// An archive of files (with content) and other members, all of the tests' own user.
fn archive(members: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, content) in members {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o750);
        header.set_mtime(1_000_000);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        let body = if *kind == EntryType::Regular { content.as_bytes() } else { b"" };
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name(content).unwrap();
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpacked(
    root: &Path,
    keep_kinds: bool,
    members: &[(EntryType, &str, &str)],
) -> Result<(), FilesError> {
    let options = UnpackOptions { keep_kinds, ..UnpackOptions::default() };
    unpack(&Tree::at(root).unwrap(), b"/to", options, archive(members).as_slice())
}

fn root() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("root/to")).unwrap();
    fs::create_dir(directory.path().join("host")).unwrap();
    directory
}

#[test]
fn members_become_files_with_their_modes_and_times() {
    let directory = root();
    let root = directory.path().join("root");
    unpacked(
        &root,
        true,
        &[
            (EntryType::Directory, "dir/", ""),
            (EntryType::Regular, "dir/file", "content"),
            (EntryType::Link, "again", "dir/file"),
            (EntryType::Symlink, "link", "../../../../host"),
            (EntryType::Fifo, "pipe", ""),
            (EntryType::Regular, "left/out/file", ""),
        ],
    )
    .unwrap();
    let to = root.join("to");
    assert_eq!(fs::read_to_string(to.join("again")).unwrap(), "content");
    for name in ["dir", "dir/file", "pipe"] {
        let metadata = fs::metadata(to.join(name)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o750, 1_000_000), "{name}");
    }
    assert_eq!(fs::metadata(to.join("again")).unwrap().nlink(), 2);
    assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("../../../../host"));
    assert_eq!(fs::metadata(to.join("left")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn a_file_has_what_stands_with_the_last_of_its_names() {
    let directory = root();
    let root = directory.path().join("root");
    let to = root.join("to");
    fs::write(to.join("target"), "").unwrap();
    for (name, kind) in [("file", EntryType::Regular), ("pipe", EntryType::Fifo)] {
        let made = [(kind, name, "content"), (EntryType::Symlink, "link", "target")];
        unpacked(&root, false, &made).unwrap();
        fs::set_permissions(to.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        let links = [(EntryType::Link, "again", name), (EntryType::Link, "other link", "link")];
        unpacked(&root, false, &links).unwrap();
        assert_eq!(fs::metadata(to.join(name)).unwrap().mode() & 0o7777, 0o750, "{name}");
    }
    let target = fs::metadata(to.join("target")).unwrap();
    assert_ne!(target.mtime(), 1_000_000, "the link is not followed");
    assert_eq!(fs::symlink_metadata(to.join("link")).unwrap().nlink(), 2);
}

#[test]
fn nothing_is_written_outside_of_the_tree() {
    let directory = root();
    let root = directory.path().join("root");
    symlink("../../../../host", root.join("to/relative")).unwrap();
    symlink(directory.path().join("host"), root.join("to/absolute")).unwrap();
    fs::write(root.join("secret"), "").unwrap();
    for name in ["relative/file", "absolute/file"] {
        unpacked(&root, false, &[(EntryType::Regular, name, "x")])
            .expect_err("the link leads nowhere inside");
    }
    // A file in a link's place takes the link's place.
    unpacked(&root, false, &[(EntryType::Regular, "relative", "x")]).unwrap();
    assert_eq!(fs::read_to_string(root.join("to/relative")).unwrap(), "x");
    for (kind, name, link) in [
        (EntryType::Regular, "../up", "x"),
        (EntryType::Regular, "a/../../up", "x"),
        (EntryType::Link, "link", "../secret"),
    ] {
        let error = unpacked(&root, false, &[(kind, name, link)]).unwrap_err();
        assert!(error.to_string().contains("is outside of \"/to\""), "{error}");
    }
    assert_eq!(fs::read_dir(directory.path().join("host")).unwrap().count(), 0);
}

#[test]
fn a_later_member_takes_the_place_of_what_is_there() {
    let directory = root();
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("to/full/inner")).unwrap();
    fs::create_dir_all(root.join("to/merged")).unwrap();
    fs::write(root.join("to/merged/kept"), "").unwrap();
    fs::write(root.join("to/file"), "").unwrap();
    let members = [
        (EntryType::Regular, "full", "x"),
        (EntryType::Directory, "file", ""),
        (EntryType::Directory, "merged", ""),
    ];
    for (member, message) in [
        (members[0], "cannot overwrite directory \"/to/full\" with non-directory \"/to\""),
        (members[1], "cannot overwrite non-directory \"/to/file\" with directory \"/to\""),
    ] {
        let error = unpacked(&root, true, &[member]).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    unpacked(&root, false, &members).unwrap();
    assert!(root.join("to/full").is_file() && root.join("to/file").is_dir());
    assert!(root.join("to/merged/kept").exists(), "directories are merged");
}

#[test]
fn what_is_to_be_all_there_is_has_its_top_and_its_end() {
    let directory = root();
    let root = directory.path().join("root");
    let whole = UnpackOptions { whole: true, ..UnpackOptions::default() };
    let members =
        archive(&[(EntryType::Directory, "./", ""), (EntryType::Regular, "./file", "content")]);
    let tree = Tree::at(&root).unwrap();
    unpack(&tree, b"/to", whole, members.as_slice()).unwrap();
    let top = fs::metadata(root.join("to")).unwrap();
    assert_eq!((top.mode() & 0o7777, top.mtime()), (0o750, 1_000_000));
    let end = members.len() - 1024;
    for (archive, message) in [
        (&members[..end], "the archive is cut off: it has no end"),
        (&members[end..], "the archive is empty"),
        (&[], "the archive is empty"),
    ] {
        let error = unpack(&tree, b"/to", whole, archive).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    // Others take what is cut off between two members, as Docker does.
    unpack(&tree, b"/to", UnpackOptions::default(), &members[..end]).unwrap();
}
