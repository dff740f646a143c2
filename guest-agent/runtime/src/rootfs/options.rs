//! Mount options as the OCI runtime specification lists them, sorted by what they act on.

use std::path::PathBuf;

use rustix::mount::{MountAttrFlags, MountPropagationFlags};

use crate::sys::MountAttributes;

/// The options of one mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// `Some(recursive)` for a bind mount.
    pub(crate) bind: Option<bool>,
    /// What is set on the mount itself.
    pub(crate) attributes: MountAttributes,
    /// What is set on the mount and, for a recursive bind, on all mounts below it (`rro` …).
    pub(crate) recursive: MountAttributes,
    /// Propagation of the mount, and whether mounts below get it too.
    pub(crate) propagation: Option<(MountPropagationFlags, bool)>,
    /// `Some(recursive)` if the owners of its files are to be mapped.
    pub(crate) id_mapped: Option<bool>,
    /// Whether it begins with what it covers.
    pub(crate) copies_up: bool,
    /// The part that is mounted, if it is not all (`X-mount.subdir=`, as `mount(8)` has it).
    pub(crate) subdirectory: Option<PathBuf>,
    /// What is left for the file system: flags and `key=value`.
    pub(crate) data: Vec<(String, Option<String>)>,
}

/// Sets one attribute or clears it.
#[derive(Clone, Copy)]
enum Change {
    Set(MountAttrFlags),
    Clear(MountAttrFlags),
}

impl MountOptions {
    /// Sorts the options. Later ones win over earlier ones, as with `mount(8)`.
    pub(crate) fn parse<S: AsRef<str>>(options: &[S]) -> Self {
        let mut result = Self::default();
        for option in options {
            result.add(option.as_ref());
        }
        result
    }

    fn add(&mut self, option: &str) {
        match option {
            "defaults" | "" | "async" | "remount" | "nolazytime" | "silent" | "loud" => {}
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "idmap" => self.id_mapped = Some(self.id_mapped.unwrap_or(false)),
            "ridmap" => self.id_mapped = Some(true),
            "tmpcopyup" => self.copies_up = true,
            "sync" | "dirsync" | "lazytime" | "mand" => self.data.push((option.to_owned(), None)),
            _ => self.add_by_table(option),
        }
    }

    fn add_by_table(&mut self, option: &str) {
        if let Some(path) = option.strip_prefix("X-mount.subdir=") {
            self.subdirectory = Some(path.into());
        } else if let Some(propagation) = propagation(option) {
            self.propagation = Some(propagation);
        } else if let Some(change) = change(option) {
            apply(&mut self.attributes, change);
        } else if let Some(change) = option.strip_prefix('r').and_then(change) {
            apply(&mut self.recursive, change);
        } else {
            let (key, value) = match option.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (option, None),
            };
            self.data.push((key.to_owned(), value));
        }
    }

    /// The last value of a `key=value` option of the file system.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let found = self.data.iter().rev().find(|(name, _)| name == key);
        found.and_then(|(_, value)| value.as_deref())
    }
}

fn propagation(option: &str) -> Option<(MountPropagationFlags, bool)> {
    let (name, recursive) = match option {
        "rprivate" | "rshared" | "rslave" | "runbindable" => (&option[1..], true),
        _ => (option, false),
    };
    let flag = match name {
        "private" => MountPropagationFlags::PRIVATE,
        "shared" => MountPropagationFlags::SHARED,
        "slave" => MountPropagationFlags::DOWNSTREAM,
        "unbindable" => MountPropagationFlags::UNBINDABLE,
        _ => return None,
    };
    Some((flag, recursive))
}

fn change(option: &str) -> Option<Change> {
    use MountAttrFlags as Flag;

    Some(match option {
        "ro" => Change::Set(Flag::MOUNT_ATTR_RDONLY),
        "rw" => Change::Clear(Flag::MOUNT_ATTR_RDONLY),
        "nosuid" => Change::Set(Flag::MOUNT_ATTR_NOSUID),
        "suid" => Change::Clear(Flag::MOUNT_ATTR_NOSUID),
        "nodev" => Change::Set(Flag::MOUNT_ATTR_NODEV),
        "dev" => Change::Clear(Flag::MOUNT_ATTR_NODEV),
        "noexec" => Change::Set(Flag::MOUNT_ATTR_NOEXEC),
        "exec" => Change::Clear(Flag::MOUNT_ATTR_NOEXEC),
        "nodiratime" => Change::Set(Flag::MOUNT_ATTR_NODIRATIME),
        "diratime" => Change::Clear(Flag::MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => Change::Set(Flag::MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => Change::Clear(Flag::MOUNT_ATTR_NOSYMFOLLOW),
        "noatime" => Change::Set(Flag::MOUNT_ATTR_NOATIME),
        "strictatime" => Change::Set(Flag::MOUNT_ATTR_STRICTATIME),
        // The kernel's default is relatime.
        "relatime" | "atime" | "norelatime" | "nostrictatime" => {
            Change::Set(Flag::MOUNT_ATTR_RELATIME)
        }
        _ => return None,
    })
}

/// Access times are one field of three values, not bits, and the kernel wants the whole field
/// cleared when it is set.
fn apply(attributes: &mut MountAttributes, change: Change) {
    let atime = u64::from(MountAttrFlags::MOUNT_ATTR__ATIME.bits());
    match change {
        Change::Set(flag) => {
            let bits = u64::from(flag.bits());
            let is_atime = flag == MountAttrFlags::MOUNT_ATTR_RELATIME || bits & atime != 0;
            if is_atime {
                attributes.set &= !atime;
                attributes.clear |= atime;
            } else {
                attributes.clear &= !bits;
            }
            attributes.set |= bits;
        }
        Change::Clear(flag) => {
            attributes.set &= !u64::from(flag.bits());
            attributes.clear |= u64::from(flag.bits());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_by_what_they_act_on() {
        let options =
            MountOptions::parse(&["nosuid", "noexec", "mode=755", "size=64k", "rprivate", "sync"]);
        let expected = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        assert_eq!(options.attributes.set, u64::from(expected.bits()));
        assert_eq!(options.propagation, Some((MountPropagationFlags::PRIVATE, true)));
        assert_eq!(options.value("size"), Some("64k"));
        assert_eq!(options.data.len(), 3);
        assert_eq!(options.bind, None);
    }

    #[test]
    fn a_part_may_be_named() {
        let options = MountOptions::parse(&["rbind", "X-mount.subdir=a,b/c=d"]);
        assert_eq!(options.subdirectory, Some("a,b/c=d".into()));
        assert!(options.data.is_empty());
    }

    #[test]
    fn a_later_option_wins() {
        let options = MountOptions::parse(&["ro", "rw", "rbind"]);
        let readonly = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
        assert_eq!((options.attributes.set, options.attributes.clear), (0, readonly));
        assert_eq!(options.bind, Some(true));
    }

    #[test]
    fn recursive_options_are_kept_apart() {
        let options = MountOptions::parse(&["rbind", "rro"]);
        assert_eq!(options.attributes, MountAttributes::default());
        let readonly = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
        assert_eq!(options.recursive.set, readonly);
    }
}
