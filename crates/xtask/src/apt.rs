//! Debian packages, downloaded and unpacked but never installed.
//!
//! apt runs over the machine's own sources with a private state folder, which has the
//! lists of both architectures. So the machine's apt is neither changed nor locked. A
//! newer release of Debian is asked for where the machine's own sources are.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::step::say;
use crate::workspace;

/// Signs every release of Debian that apt is asked for here.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt over a private state folder.
#[derive(Debug)]
pub(crate) struct Apt {
    state: PathBuf,
    options: Vec<String>,
    updated: Cell<bool>,
}

/// One version of a package, as apt's lists have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The version, such as `6.12.117-1~deb12u1`.
    pub version: String,
    /// The archive's SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// The `Depends` field.
    pub depends: String,
}

impl Apt {
    /// Opens the private state in the cache.
    pub(crate) fn open() -> Result<Self> {
        let both = ["amd64", "arm64"].map(|name| format!("APT::Architectures::={name}"));
        Self::over(workspace::cache()?.join("apt"), both.to_vec())
    }

    /// Opens the private state of one release of Debian, whatever this machine's is. To this
    /// apt nothing is installed, so that all of a package's dependencies are lacking.
    pub(crate) fn of_release(codename: &str) -> Result<Self> {
        let state = workspace::cache()?.join(format!("apt-{codename}"));
        let (sources, status) = (state.join("debian.sources"), state.join("status"));
        let options = vec![
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Status={}", status.display()),
        ];
        let apt = Self::over(state, options)?;
        if !sources.exists() {
            let text = format!(
                "Types: deb\nURIs: {}\nSuites: {codename}\nComponents: main\nSigned-By: {KEYRING}\n",
                Self::open()?.archive()?
            );
            fs::write(&status, "")?;
            fs::write(&sources, text)
                .with_context(|| format!("cannot write {}", sources.display()))?;
        }
        Ok(apt)
    }

    fn over(state: PathBuf, options: Vec<String>) -> Result<Self> {
        for folder in ["lists/partial", "cache/archives/partial"] {
            let path = state.join(folder);
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        Ok(Self { state, options, updated: Cell::new(false) })
    }

    /// Where this machine has its own release of Debian from.
    fn archive(&self) -> Result<String> {
        self.update()?;
        let format = "$(ORIGIN) $(CODENAME) $(REPO_URI)";
        let mut list = self.command("apt-get");
        list.args(["indextargets", "--format", format, "Created-By: Packages"]);
        let listed = process::text(&mut list)?;
        parse_archive(&listed).context("apt has no sources of Debian's")
    }

    /// An apt program that uses the private state.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let folder = |name: &str| self.state.join(name).display().to_string();
        for option in [
            format!("Dir::State::Lists={}", folder("lists")),
            format!("Dir::Cache={}", folder("cache")),
            // The cache may lie where apt's own user cannot read.
            "APT::Sandbox::User=root".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ]
        .iter()
        .chain(&self.options)
        {
            command.arg("-o").arg(option);
        }
        command
    }

    /// Reads the package lists anew, at most once a run.
    pub(crate) fn update(&self) -> Result<()> {
        if self.updated.get() {
            return Ok(());
        }
        say("reading Debian's package lists");
        process::run(self.command("apt-get").args(["-qq", "update"]))?;
        self.updated.set(true);
        Ok(())
    }

    /// The versions of a package that can be had now, the newest first. `package` may
    /// name an architecture (`name:arm64`) and a version (`name=1.2`).
    pub(crate) fn candidates(&self, package: &str) -> Result<Vec<Candidate>> {
        let mut show = self.command("apt-cache");
        show.args(["show", package]).stderr(Stdio::null());
        let output = show.output().context("cannot run apt-cache")?;
        // A package that is not in the lists makes apt-cache fail; that is an answer.
        Ok(parse_show(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Downloads one archive into an empty folder and says where it is.
    pub(crate) fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        process::run(
            self.command("apt-get").args(["-qq", "download", package]).current_dir(folder),
        )?;
        let mut archives = fs::read_dir(folder)?;
        match (archives.next(), archives.next()) {
            (Some(archive), None) => Ok(archive?.path()),
            _ => bail!("apt-get download {package} left not one archive"),
        }
    }

    /// Downloads packages, and those of their dependencies that this machine lacks.
    pub(crate) fn download_with_dependencies(
        &self,
        packages: &[String],
        folder: &Path,
    ) -> Result<()> {
        fs::create_dir_all(folder.join("partial"))?;
        process::run(
            self.command("apt-get")
                .arg("-o")
                .arg(format!("Dir::Cache::Archives={}", folder.display()))
                .args(["-qq", "-y", "--no-install-recommends", "--reinstall", "--download-only"])
                .arg("install")
                .args(packages)
                .stdout(Stdio::null()),
        )
    }
}

/// Unpacks an archive's files into a folder.
pub(crate) fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    process::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(folder))
}

fn parse_show(text: &str) -> Vec<Candidate> {
    let field = |stanza: &str, name: &str| {
        stanza
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_owned)
    };
    text.split("\n\n")
        .filter_map(|stanza| {
            Some(Candidate {
                version: field(stanza, "Version")?,
                sha256: field(stanza, "SHA256")?,
                depends: field(stanza, "Depends").unwrap_or_default(),
            })
        })
        .collect()
}

/// Of lines with origin, code name and address: the address of Debian's release itself, not
/// of its updates.
fn parse_archive(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let [origin, codename, address] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        (origin == "Debian" && !codename.contains('-')).then(|| address.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_that_of_debians_release_itself() {
        let text = "Other one http://a/\nDebian one-security http://b/\nDebian one http://c/\n";
        assert_eq!(parse_archive(text).as_deref(), Some("http://c/"));
        assert_eq!(parse_archive("Other one http://a/\n"), None);
    }

    #[test]
    fn every_stanza_with_an_archive_is_a_candidate() {
        let text = "Package: a\nVersion: 2\nDepends: b (= 2)\nSHA256: ff\n\n\
                    Package: a\nVersion: 1\nSHA256: ee\n\nPackage: a\nVersion: 0\n";
        let candidates = parse_show(text);
        assert_eq!(candidates.len(), 2);
        assert_eq!(candidates[0].version, "2");
        assert_eq!(candidates[0].depends, "b (= 2)");
        assert_eq!(candidates[1].sha256, "ee");
    }
}
