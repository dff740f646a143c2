//! Programs of Debian's with all that they need to run, unpacked: the tests make images of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;

use crate::apt::{self, Apt};

/// Each folder's name, and the packages in it.
pub(super) const ROOTS: [(&str, &[&str]); 5] = [
    ("gcc", &["gcc", "libc6-dev", "make"]),
    ("node", &["nodejs"]),
    ("python", &["python3", "python3-pg8000"]),
    ("redis", &["redis-server"]),
    ("postgres", &["postgresql-17"]),
];

/// How the archives of packages begin that these depend on for their installation, or for what
/// the tests leave alone: to compile queries, and to translate.
const UNUSED: [&str; 21] = [
    "adduser_",
    "base-passwd_",
    "debconf_",
    "dpkg_",
    "init-system-helpers_",
    "libc-l10n_",
    "libio-pty-perl_",
    "libipc-run-perl_",
    "libjson-perl_",
    "libllvm",
    "libperl",
    "libtext-",
    "libz3-",
    "locales_",
    "openssl_",
    "passwd_",
    "perl",
    "postgresql-common",
    "procps_",
    "sysvinit-utils_",
    "tar_",
];

/// Removed from each root: nobody reads it there.
const UNREAD: [&str; 5] = [
    "usr/lib/postgresql/17/lib/bitcode",
    "usr/share/doc",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
];

/// Fills a root with packages and what they depend on.
pub(super) fn fill(apt: &Apt, folder: &Path, packages: &[&str]) -> Result<()> {
    apt.update()?;
    // Debian has had these links since it keeps all programs and libraries in one place.
    for name in ["lib", "lib64"] {
        fs::create_dir_all(folder.join("usr").join(name))?;
        symlink(format!("usr/{name}"), folder.join(name))?;
    }
    let download = folder.join("download");
    let packages: Vec<String> = packages.iter().map(|&package| package.to_owned()).collect();
    apt.download_with_dependencies(&packages, &download)?;
    for entry in fs::read_dir(&download)? {
        let archive = entry?.path();
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let is_unused = UNUSED.iter().any(|beginning| name.starts_with(beginning));
        if name.ends_with(".deb") && !is_unused {
            apt::unpack(&archive, folder)?;
        }
    }
    fs::remove_dir_all(download)?;
    for path in UNREAD.map(|name| folder.join(name)) {
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
