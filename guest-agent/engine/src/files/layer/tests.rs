use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use naru_image_store::{Kind, Tape};

use super::*;

fn root() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for path in ["image/etc/deep", "image/bin", "upper"] {
        fs::create_dir_all(directory.path().join(path)).unwrap();
    }
    for path in ["etc/passwd", "etc/deep/file", "bin/sh"] {
        fs::write(directory.path().join("image").join(path), "old").unwrap();
    }
    directory
}

#[test]
fn what_was_only_looked_into_is_taken_away() {
    let root = root();
    let upper = root.path().join("upper");
    for path in ["bin", "etc/deep", "new"] {
        fs::create_dir_all(upper.join(path)).unwrap();
    }
    fs::write(upper.join("etc/passwd"), "new").unwrap();
    let before = fs::metadata(upper.join("etc")).unwrap().modified().unwrap();
    let tree = |name: &str| Tree::at(&root.path().join(name)).unwrap();
    let mut archive = Vec::new();
    assert!(pack_and_tidy(&mut archive, &tree("upper"), &tree("image")).unwrap());
    assert_eq!(archive, packed(root.path()), "it is the same layer");
    assert!(upper.join("new").is_dir());
    assert!(!upper.join("bin").exists() && !upper.join("etc/deep").exists());
    assert_eq!(fs::metadata(upper.join("etc")).unwrap().modified().unwrap(), before);
    UnixListener::bind(upper.join("socket")).unwrap();
    assert!(!pack_and_tidy(io::sink(), &tree("upper"), &tree("image")).unwrap());
}

fn packed(root: &Path) -> Vec<u8> {
    let tree = |name: &str| Tree::at(&root.join(name)).unwrap();
    let mut archive = Vec::new();
    pack_layer(&mut archive, &tree("upper"), &tree("image"), None).unwrap();
    archive
}

fn members(archive: &[u8]) -> Vec<(String, Kind)> {
    let mut tape = Tape::new(archive);
    let mut members = Vec::new();
    while let Some(member) = tape.next_member().unwrap() {
        members.push((String::from_utf8(member.name).unwrap(), member.kind));
    }
    members
}

#[test]
fn what_the_runtime_made_and_what_was_only_passed_through_is_the_empty_layer() {
    let directory = root();
    let upper = directory.path().join("upper");
    for path in ["etc/deep", "dev", "proc", "sys"] {
        fs::create_dir_all(upper.join(path)).unwrap();
    }
    for path in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
        fs::write(upper.join(path), "").unwrap();
    }
    let tree = |name: &str| Tree::at(&directory.path().join(name)).unwrap();
    let mut archive = Vec::new();
    pack_container(&mut archive, &tree("upper"), &tree("image")).unwrap();
    assert_eq!(archive, [0; 1024]);
}

#[test]
fn what_was_put_where_the_runtime_makes_something_is_in_the_layer() {
    let directory = root();
    let upper = directory.path().join("upper");
    for path in ["dev", "etc/deep", "proc", "sys"] {
        fs::create_dir_all(upper.join(path)).unwrap();
    }
    fs::write(upper.join("etc/hosts"), "mine").unwrap();
    let archive = packed(directory.path());
    let names: Vec<String> = members(&archive).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["dev/", "etc/", "etc/hosts", "proc/", "sys/"]);
    let tree = |name: &str| Tree::at(&directory.path().join(name)).unwrap();
    let mut tidied = Vec::new();
    assert!(pack_and_tidy(&mut tidied, &tree("upper"), &tree("image")).unwrap());
    assert_eq!(tidied, archive);
    assert!(upper.join("dev").is_dir() && !upper.join("etc/deep").exists());
}

#[test]
fn changes_come_sorted_after_their_directories_and_sockets_do_not() {
    let directory = root();
    let upper = directory.path().join("upper");
    fs::create_dir_all(upper.join("etc/deep")).unwrap();
    fs::create_dir_all(upper.join("new/inner")).unwrap();
    fs::write(upper.join("etc/deep/file"), "new").unwrap();
    fs::write(upper.join("new/one"), "1").unwrap();
    fs::hard_link(upper.join("new/one"), upper.join("new/two")).unwrap();
    fs::write(upper.join("new/.wh.one"), "a lie").unwrap();
    let _socket = UnixListener::bind(upper.join("new/socket")).unwrap();
    let expected = [
        ("etc/", Kind::Directory),
        ("etc/deep/", Kind::Directory),
        ("etc/deep/file", Kind::File),
        ("new/", Kind::Directory),
        ("new/inner/", Kind::Directory),
        ("new/one", Kind::File),
        ("new/two", Kind::HardLink),
    ];
    let archive = packed(directory.path());
    assert_eq!(members(&archive), expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(packed(directory.path()), archive, "it is the same each time");
}

#[test]
fn a_directory_that_differs_itself_is_taken() {
    let directory = root();
    let upper = directory.path().join("upper");
    fs::create_dir_all(upper.join("etc/deep")).unwrap();
    fs::create_dir_all(upper.join("bin")).unwrap();
    fs::set_permissions(upper.join("etc/deep"), Permissions::from_mode(0o700)).unwrap();
    let names: Vec<String> =
        members(&packed(directory.path())).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["etc/", "etc/deep/"]);
}
