//! Which kernel modules the image has, and in which order they load.
//!
//! `vm-images/modules.txt` names the modules that something needs; what those need is
//! read from the modules themselves (`depends=` and `softdep=pre:` of `.modinfo`), so
//! that neither depmod nor modprobe is needed, here or in the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Arch, elf};
use crate::process;

/// A module as the image has it.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The object file, not compressed: under emulation the kernel needs longer to
    /// decompress than to read, and the image as a whole compresses better.
    pub object: Vec<u8>,
}

/// The wanted modules and all they need, in load order.
pub(crate) fn collect(kernel: &Path, list: &str, arch: Arch) -> Result<Vec<Module>> {
    let directory = only_child(&kernel.join("lib/modules"))?;
    let mut collection = Collection {
        files: module_files(&directory.join("kernel"))?,
        built_in: built_in(&directory)?,
        seen: BTreeSet::new(),
        ordered: Vec::new(),
    };
    for name in wanted(list, arch) {
        if !collection.add(&name)? {
            bail!("modules.txt names {name}, which this kernel does not have");
        }
    }
    Ok(collection.ordered)
}

/// The names in `modules.txt`: one a line, `#` starts a comment; a second word limits
/// the line to one architecture.
fn wanted(list: &str, arch: Arch) -> Vec<String> {
    let mut names = Vec::new();
    for line in list.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        if words.next().is_none_or(|only| only == arch.name()) {
            names.push(normal(name));
        }
    }
    names
}

/// The walk over the modules' dependencies.
#[derive(Debug)]
struct Collection {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
    seen: BTreeSet<String>,
    ordered: Vec<Module>,
}

impl Collection {
    /// Adds a module after what it needs; false if the kernel has no such module.
    fn add(&mut self, name: &str) -> Result<bool> {
        if self.built_in.contains(name) || self.seen.contains(name) {
            return Ok(true);
        }
        let Some(file) = self.files.get(name).cloned() else { return Ok(false) };
        self.seen.insert(name.to_owned());
        let object = read(&file)?;
        let info = elf::section(&object, ".modinfo")
            .with_context(|| format!("{} is no module", file.display()))?;
        let needs = Needs::parse(info);
        for needed in &needs.hard {
            if !self.add(needed)? {
                bail!("the module {name} needs {needed}, which this kernel does not have");
            }
        }
        for helpful in &needs.soft {
            // A soft dependency may be an alias, or a module of another machine.
            self.add(helpful)?;
        }
        self.ordered.push(Module { name: name.to_owned(), object });
        Ok(true)
    }
}

/// What a module wants loaded before itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    hard: Vec<String>,
    soft: Vec<String>,
}

impl Needs {
    /// Reads a `.modinfo` section: `key=value` strings, each ended by a zero byte.
    fn parse(section: &[u8]) -> Self {
        let mut needs = Self::default();
        for entry in section.split(|&byte| byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            match entry.split_once('=') {
                Some(("depends", names)) => {
                    needs.hard.extend(names.split(',').filter(|name| !name.is_empty()).map(normal));
                }
                Some(("softdep", value)) => needs.soft.extend(before(value)),
                Some(_) | None => {}
            }
        }
        needs
    }
}

/// The names after `pre:` in a `softdep` value (`pre: a b post: c`).
fn before(value: &str) -> Vec<String> {
    let mut is_before = false;
    let mut names = Vec::new();
    for word in value.split_whitespace() {
        match word {
            "pre:" => is_before = true,
            "post:" => is_before = false,
            name if is_before => names.push(normal(name)),
            _ => {}
        }
    }
    names
}

fn normal(name: &str) -> String {
    name.replace('-', "_")
}

fn only_child(directory: &Path) -> Result<PathBuf> {
    let mut entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let first = entries.next().context("the kernel package has no modules")??;
    Ok(first.path())
}

fn module_files(directory: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some((stem, "" | ".xz")) = name.split_once(".ko") {
                files.insert(normal(stem), entry.path());
            }
        }
    }
    Ok(files)
}

fn built_in(directory: &Path) -> Result<BTreeSet<String>> {
    let path = directory.join("modules.builtin");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let stem = |line: &str| Some(normal(Path::new(line).file_stem()?.to_str()?));
    Ok(text.lines().filter_map(stem).collect())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|extension| extension == "xz") {
        return process::output(Command::new("xz").args(["-dc", "--"]).arg(file));
    }
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_comments_or_of_one_architecture() {
        let list = "# disks\nvirtio-blk\n\ncrc32c-intel x86_64 # faster\nveth\n";
        assert_eq!(wanted(list, Arch::X86_64), ["virtio_blk", "crc32c_intel", "veth"]);
        assert_eq!(wanted(list, Arch::Aarch64), ["virtio_blk", "veth"]);
    }

    #[test]
    fn hard_and_soft_dependencies_are_told_apart() {
        let section =
            b"license=GPL\0depends=nf-tables,nf_nat\0softdep=pre: crc32c post: x\0name=y\0";
        let needs = Needs::parse(section);
        assert_eq!(needs.hard, ["nf_tables", "nf_nat"]);
        assert_eq!(needs.soft, ["crc32c"]);
        assert_eq!(Needs::parse(b"depends=\0"), Needs::default());
    }
}
