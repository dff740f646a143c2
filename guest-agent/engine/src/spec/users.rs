//! Who a process runs as: `--user` against the image's own passwd and group files.
//!
//! The files are the image's, so untrusted: they are read from the layers without
//! ever following a link out of one, and only so far.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};
use oci_spec::runtime::User;

use crate::error::{EngineError, Result};

/// More than any sane passwd file.
const MAX_BYTES: u64 = 1 << 20;

/// A user as the OCI process wants it, and where it is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: User,
    pub(crate) home: String,
}

/// The files of a container as they lie in its layers, topmost first.
#[derive(Debug)]
pub(crate) struct LayerFiles {
    /// Writable layer first, then the image's from the top down.
    pub(crate) layers: Vec<PathBuf>,
}

impl LayerFiles {
    /// The text of `path` (relative to the root), or nothing when it is not there,
    /// not a regular file, or hidden by a whiteout.
    fn read(&self, path: &str) -> String {
        for layer in &self.layers {
            let Ok(found) = find_beneath(layer, path) else { continue };
            // A whiteout is a device, and hides what lies beneath.
            let Ok(stat) = fstat(&found) else { return String::new() };
            if SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) != SFlag::S_IFREG {
                return String::new();
            }
            let Ok(file) = File::open(format!("/proc/self/fd/{}", found.as_raw_fd())) else {
                return String::new();
            };
            let mut bytes = Vec::new();
            if file.take(MAX_BYTES).read_to_end(&mut bytes).is_err() {
                return String::new();
            }
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        String::new()
    }

    /// Resolves Docker's `--user`: empty, `name`, `uid`, `name:group`, `uid:gid`, …,
    /// with `additional` groups by name or number.
    pub(crate) fn identity(&self, wanted: &str, additional: &[String]) -> Result<Identity> {
        let passwd = self.read("etc/passwd");
        let group = self.read("etc/group");
        identity(&passwd, &group, wanted, additional)
    }
}

/// Finds the file without opening it: a container can put a device there, and to open one of
/// the host's may already do something.
fn find_beneath(layer: &Path, path: &str) -> nix::Result<OwnedFd> {
    let root = nix::fcntl::open(
        layer,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(&root, path, how)
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn passwd_entries(text: &str) -> impl Iterator<Item = PasswdEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1).unwrap_or_default();
        Some(PasswdEntry { name, uid, gid, home })
    })
}

struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn group_entries(text: &str) -> impl Iterator<Item = GroupEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(GroupEntry { name, gid, members: fields.next().unwrap_or_default() })
    })
}

/// User and group of the user of this name in the text of a passwd file.
pub(crate) fn named_user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd_entries(passwd).find(|entry| entry.name == name).map(|entry| (entry.uid, entry.gid))
}

/// The group of this name in the text of a group file.
pub(crate) fn named_group(group: &str, name: &str) -> Option<u32> {
    group_entries(group).find(|entry| entry.name == name).map(|entry| entry.gid)
}

/// The names in the text of a passwd or a group file.
pub(crate) fn names_in(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| line.split_once(':').map(|(name, _)| name))
}

fn group_id(group: &str, wanted: &str) -> Result<u32> {
    if let Some(entry) = group_entries(group).find(|entry| entry.name == wanted) {
        return Ok(entry.gid);
    }
    wanted.parse().map_err(|_| {
        EngineError::Invalid(format!(
            "unable to find group {wanted}: no matching entries in group file"
        ))
    })
}

fn identity(passwd: &str, group: &str, wanted: &str, additional: &[String]) -> Result<Identity> {
    let (user, wanted_group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number = user.parse::<u32>().ok();
    // A name wins over a number that looks like it.
    let entry = passwd_entries(passwd)
        .find(|entry| entry.name == user)
        .or_else(|| passwd_entries(passwd).find(|entry| Some(entry.uid) == number));
    let (uid, mut gid, name, home) = match (&entry, number) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.name, entry.home),
        (None, Some(uid)) => (uid, 0, "", ""),
        (None, None) => {
            return Err(EngineError::Invalid(format!(
                "unable to find user {user}: no matching entries in passwd file"
            )));
        }
    };
    if let Some(wanted_group) = wanted_group {
        gid = group_id(group, wanted_group)?;
    }
    // The group of the process is among them, so that one that leaves it by name keeps it.
    let mut groups = vec![gid];
    if wanted_group.is_none() && !name.is_empty() {
        groups.extend(
            group_entries(group)
                .filter(|entry| entry.members.split(',').any(|member| member == name))
                .map(|entry| entry.gid),
        );
    }
    for wanted in additional {
        groups.push(group_id(group, wanted)?);
    }
    let mut seen = BTreeSet::new();
    groups.retain(|group| seen.insert(*group));

    let mut user = User::default();
    user.set_uid(uid).set_gid(gid).set_additional_gids(Some(groups));
    let home = if home.is_empty() { "/" } else { home };
    Ok(Identity { user, home: home.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:n:/nonexistent:/bin/false\n\
                          web:x:33:33::/var/www:/bin/sh\nbroken line\n";
    const GROUP: &str = "root:x:0:\nvideo:x:44:web,nobody\nwww:x:33:\n";

    fn resolve(wanted: &str) -> (u32, u32, Vec<u32>, String) {
        let identity = identity(PASSWD, GROUP, wanted, &[]).unwrap();
        let user = identity.user;
        (user.uid(), user.gid(), user.additional_gids().clone().unwrap_or_default(), identity.home)
    }

    #[test]
    fn users_are_resolved_as_docker_does() {
        assert_eq!(resolve(""), (0, 0, vec![0], "/root".into()));
        assert_eq!(resolve("web"), (33, 33, vec![33, 44], "/var/www".into()));
        assert_eq!(resolve("33"), (33, 33, vec![33, 44], "/var/www".into()));
        assert_eq!(resolve("web:video"), (33, 44, vec![44], "/var/www".into()));
        assert_eq!(resolve("1234"), (1234, 0, vec![0], "/".into()));
        assert_eq!(resolve("1234:99"), (1234, 99, vec![99], "/".into()));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let error = identity(PASSWD, GROUP, "nosuch", &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to find user nosuch: no matching entries in passwd file"
        );
    }

    #[test]
    fn a_link_in_a_layer_does_not_lead_out_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let layer = directory.path().join("layer");
        std::fs::create_dir_all(layer.join("etc")).unwrap();
        std::fs::write(directory.path().join("secret"), "evil:x:7:7::/:/bin/sh\n").unwrap();
        symlink("../../secret", layer.join("etc/passwd")).unwrap();
        let files = LayerFiles { layers: vec![layer] };
        let error = files.identity("evil", &[]).unwrap_err();
        assert!(error.to_string().contains("unable to find user evil"));
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let layer = directory.path().to_owned();
        std::fs::create_dir(layer.join("etc")).unwrap();
        nix::unistd::mkfifo(&layer.join("etc/passwd"), Mode::S_IRWXU).unwrap();
        let files = LayerFiles { layers: vec![layer] };
        let error = files.identity("root", &[]).unwrap_err();
        assert!(error.to_string().contains("unable to find user root"));
    }
}
