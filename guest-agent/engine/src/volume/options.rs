//! The options of the `local` driver: `type`, `o`, `device`, as `mount(8)` has them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::ToSocketAddrs as _;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::error::{EngineError, Result};

type Options = BTreeMap<String, String>;

const KNOWN: [&str; 4] = ["type", "o", "device", "size"];
/// What an option cannot be without.
const NEEDED: [(&str, &[&str]); 3] =
    [("device", &["type"]), ("type", &["device"]), ("o", &["device", "type"])];

const PROPAGATION: MsFlags = MsFlags::MS_SHARED
    .union(MsFlags::MS_PRIVATE)
    .union(MsFlags::MS_SLAVE)
    .union(MsFlags::MS_UNBINDABLE);

/// Refuses in Docker's words what the driver does not know.
pub(super) fn check(volume: &str, options: &Options) -> Result<()> {
    let refused = |why: String| Err(EngineError::Invalid(format!("create {volume}: {why}")));
    if let Some(unknown) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return refused(format!("invalid option: {unknown:?}"));
    }
    for (option, needed) in NEEDED.iter().filter(|(option, _)| options.contains_key(*option)) {
        if let Some(missing) = needed.iter().find(|needed| !options.contains_key(**needed)) {
            tracing::debug!(option, missing, "an option needs another");
            return refused(format!("missing required option: {missing:?}"));
        }
    }
    if options.contains_key("size") {
        return refused("quota size requested but no quota support".to_owned());
    }
    Ok(())
}

/// What is to be mounted, as the kernel takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeviceMount {
    device: String,
    kind: String,
    flags: MsFlags,
    data: String,
}

impl DeviceMount {
    /// Reads the options of a volume that has a device.
    pub(super) fn of(options: &Options) -> Self {
        let option = |key: &str| options.get(key).cloned().unwrap_or_default();
        let (mut flags, mut data) = (MsFlags::empty(), Vec::new());
        for word in option("o").split(',').filter(|word| !word.is_empty()) {
            match flag(word) {
                Some((true, flag)) => flags |= flag,
                Some((false, flag)) => flags &= !flag,
                None => data.push(word.to_owned()),
            }
        }
        Self { device: option("device"), kind: option("type"), flags, data: data.join(",") }
    }

    /// The path that is bound, if it is one of the engine's machine.
    pub(super) fn bound(&self) -> Option<&Path> {
        self.flags.contains(MsFlags::MS_BIND).then(|| Path::new(&self.device))
    }

    /// Mounts it. Blocks, over a network perhaps.
    pub(super) fn mount(&self, target: &Path) -> Result<()> {
        let failed = |reason: String| {
            EngineError::Invalid(format!(
                "error while mounting volume '{}': failed to mount local volume: {reason}",
                target.display()
            ))
        };
        let data = self.resolved_data().map_err(|error| failed(error.to_string()))?;
        let call = |source: Option<&str>, kind: Option<&str>, flags, data: Option<&str>| {
            mount(source, target, kind, flags, data)
                .map_err(|errno| failed(self.reason(target, flags, errno)))
        };
        let flags = self.flags - PROPAGATION;
        let text = Some(data.as_str()).filter(|data| !data.is_empty());
        call(Some(&self.device), Some(&self.kind), flags, text)?;
        let changed = || {
            let propagation = self.flags & (PROPAGATION | MsFlags::MS_REC);
            if propagation.intersects(PROPAGATION) {
                call(None, None, propagation, None)?;
            }
            // A bind mount is made read-only in a second step.
            if flags.contains(MsFlags::MS_BIND | MsFlags::MS_RDONLY) {
                call(None, None, flags | MsFlags::MS_REMOUNT, None)?;
            }
            Ok(())
        };
        changed().inspect_err(|_| super::mounted::take_off(target))
    }

    /// A network file system wants the number of its server, not the name.
    fn resolved_data(&self) -> io::Result<String> {
        if !matches!(self.kind.as_str(), "nfs" | "nfs4" | "cifs") {
            return Ok(self.data.clone());
        }
        let mut words = Vec::new();
        for word in self.data.split(',') {
            words.push(match word.strip_prefix("addr=") {
                Some(name) => {
                    let found = (name, 0).to_socket_addrs()?.next();
                    let found = found.ok_or(io::ErrorKind::NotFound)?;
                    format!("addr={}", found.ip())
                }
                None => word.to_owned(),
            });
        }
        Ok(words.join(","))
    }

    /// Docker's words; a password stays secret.
    fn reason(&self, target: &Path, flags: MsFlags, errno: Errno) -> String {
        let mut text = vec![format!("mount {}:{}", self.device, target.display())];
        if !flags.is_empty() {
            text.push(format!(", flags: {:#x}", flags.bits()));
        }
        if !self.data.is_empty() {
            let words = self.data.split(',').map(|word| match word.split_once('=') {
                Some((key @ ("password" | "pass"), _)) => format!("{key}=****"),
                _ => word.to_owned(),
            });
            text.push(format!(", data: {}", words.collect::<Vec<_>>().join(",")));
        }
        text.push(format!(": {}", errno.desc().to_lowercase()));
        if errno == Errno::ENODEV && !kernel_has(&self.kind) {
            text.push(format!(": this kernel has no file system {:?}", self.kind));
        }
        text.concat()
    }
}

fn kernel_has(kind: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.split_whitespace().last() == Some(kind))
}

/// What a word of `mount(8)` sets or clears; none of one that is the file system's.
fn flag(word: &str) -> Option<(bool, MsFlags)> {
    let recursive = MsFlags::MS_REC;
    Some(match word {
        "defaults" => (true, MsFlags::empty()),
        "ro" => (true, MsFlags::MS_RDONLY),
        "rw" => (false, MsFlags::MS_RDONLY),
        "nosuid" => (true, MsFlags::MS_NOSUID),
        "suid" => (false, MsFlags::MS_NOSUID),
        "nodev" => (true, MsFlags::MS_NODEV),
        "dev" => (false, MsFlags::MS_NODEV),
        "noexec" => (true, MsFlags::MS_NOEXEC),
        "exec" => (false, MsFlags::MS_NOEXEC),
        "sync" => (true, MsFlags::MS_SYNCHRONOUS),
        "async" => (false, MsFlags::MS_SYNCHRONOUS),
        "dirsync" => (true, MsFlags::MS_DIRSYNC),
        "remount" => (true, MsFlags::MS_REMOUNT),
        "mand" => (true, MsFlags::MS_MANDLOCK),
        "nomand" => (false, MsFlags::MS_MANDLOCK),
        "noatime" => (true, MsFlags::MS_NOATIME),
        "atime" => (false, MsFlags::MS_NOATIME),
        "nodiratime" => (true, MsFlags::MS_NODIRATIME),
        "diratime" => (false, MsFlags::MS_NODIRATIME),
        "relatime" => (true, MsFlags::MS_RELATIME),
        "norelatime" => (false, MsFlags::MS_RELATIME),
        "strictatime" => (true, MsFlags::MS_STRICTATIME),
        "nostrictatime" => (false, MsFlags::MS_STRICTATIME),
        "bind" => (true, MsFlags::MS_BIND),
        "rbind" => (true, MsFlags::MS_BIND | recursive),
        "shared" => (true, MsFlags::MS_SHARED),
        "rshared" => (true, MsFlags::MS_SHARED | recursive),
        "private" => (true, MsFlags::MS_PRIVATE),
        "rprivate" => (true, MsFlags::MS_PRIVATE | recursive),
        "slave" => (true, MsFlags::MS_SLAVE),
        "rslave" => (true, MsFlags::MS_SLAVE | recursive),
        "unbindable" => (true, MsFlags::MS_UNBINDABLE),
        "runbindable" => (true, MsFlags::MS_UNBINDABLE | recursive),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(all: &[(&str, &str)]) -> Options {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn options_are_the_drivers() {
        check("x", &options(&[])).unwrap();
        check("x", &options(&[("type", "none"), ("o", "bind"), ("device", "/srv")])).unwrap();
        for (wrong, said) in [
            (options(&[("colour", "red")]), "create x: invalid option: \"colour\""),
            (options(&[("o", "bind")]), "create x: missing required option: \"device\""),
            (options(&[("device", "/srv")]), "create x: missing required option: \"type\""),
            (options(&[("size", "1g")]), "create x: quota size requested but no quota support"),
        ] {
            assert_eq!(check("x", &wrong).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn words_are_flags_or_the_file_systems_own() {
        let all = [("type", "tmpfs"), ("o", "size=1m,ro,noexec,exec,uid=7"), ("device", "tmpfs")];
        let read = DeviceMount::of(&options(&all));
        assert_eq!((read.flags, read.data.as_str()), (MsFlags::MS_RDONLY, "size=1m,uid=7"));
        assert_eq!(read.bound(), None);
        let bind = [("type", "none"), ("o", "rbind,rshared"), ("device", "/srv")];
        let read = DeviceMount::of(&options(&bind));
        assert_eq!(read.bound(), Some(Path::new("/srv")));
        assert!(read.flags.contains(MsFlags::MS_REC | MsFlags::MS_SHARED));
    }

    #[test]
    fn a_password_is_not_told() {
        let cifs = [("type", "cifs"), ("o", "user=me,password=secret"), ("device", "//nas/x")];
        let reason = DeviceMount::of(&options(&cifs)).reason(
            Path::new("/v"),
            MsFlags::MS_RDONLY,
            Errno::EACCES,
        );
        assert_eq!(
            reason,
            "mount //nas/x:/v, flags: 0x1, data: user=me,password=****: permission denied"
        );
    }
}
