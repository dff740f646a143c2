//! Programs of Debian's with all that they need to run, unpacked: the tests make images of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;

use crate::apt::{self, Apt};

/// A folder of programs.
pub(super) struct Root {
    pub(super) name: &'static str,
    pub(super) packages: &'static [&'static str],
    /// How the archives of those begin that only these packages' other uses need.
    unused: &'static [&'static str],
}

const fn root(
    name: &'static str,
    packages: &'static [&'static str],
    unused: &'static [&'static str],
) -> Root {
    Root { name, packages, unused }
}

pub(super) const ROOTS: [Root; 9] = [
    root("gcc", &["gcc", "libc6-dev", "make"], &[]),
    root("go", &["golang-go"], &[]),
    root("java", &["default-jdk-headless"], &[]),
    root("node", &["nodejs"], &[]),
    root("python", &["python3", "python3-pg8000"], &[]),
    root("redis", &["redis-server"], &[]),
    // It compiles no queries.
    root("postgres", &["postgresql-17"], &["libllvm", "libz3-"]),
    // C's compiler only links.
    root("rust", &["cargo", "rustc"], &COMPILING_C),
    // What programs that were linked to Debian's libraries run with.
    root("slim", &["libgcc-s1"], &[]),
];

const COMPILING_C: [&str; 7] =
    ["cpp-14-", "libasan", "libhwasan", "liblsan", "libtsan", "libubsan", "linux-libc-dev_"];

/// How the archives of packages begin that all these depend on for their installation, or to
/// translate, which the tests leave alone.
const UNUSED: [&str; 19] = [
    "adduser_",
    "base-passwd_",
    "debconf_",
    "dpkg_",
    "init-system-helpers_",
    "libc-l10n_",
    "libio-pty-perl_",
    "libipc-run-perl_",
    "libjson-perl_",
    "libperl",
    "libtext-",
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
const UNREAD: [&str; 7] = [
    "usr/lib/jvm/default-java/jmods",
    "usr/lib/postgresql/17/lib/bitcode",
    "usr/share/doc",
    "usr/share/go-1.24/test",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
];

/// Fills a root with packages and what they depend on.
pub(super) fn fill(apt: &Apt, folder: &Path, root: &Root) -> Result<()> {
    apt.update()?;
    // Debian has had these links since it keeps all programs and libraries in one place.
    for name in ["lib", "lib64"] {
        fs::create_dir_all(folder.join("usr").join(name))?;
        symlink(format!("usr/{name}"), folder.join(name))?;
    }
    let download = folder.join("download");
    let packages: Vec<String> = root.packages.iter().map(|&package| package.to_owned()).collect();
    apt.download_with_dependencies(&packages, &download)?;
    for entry in fs::read_dir(&download)? {
        let archive = entry?.path();
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let mut unused = UNUSED.iter().chain(root.unused);
        let is_unused = unused.any(|beginning| name.starts_with(beginning));
        if name.ends_with(".deb") && !is_unused {
            apt::unpack(&archive, folder)?;
        }
    }
    // By this name linkers are called; Debian's alternatives make it when gcc is installed.
    if folder.join("usr/bin/gcc").exists() {
        symlink("gcc", folder.join("usr/bin/cc"))?;
    }
    fs::remove_dir_all(download)?;
    for path in UNREAD.map(|name| folder.join(name)) {
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
