//! Kernel modules: `/lib/modules/NN-name.ko`, loaded in the order of their numbers.
//!
//! The order was computed when the image was built, so nothing is resolved here.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::system::finit_module;

use crate::console;

const MODULES_DIR: &str = "/lib/modules";
const NO_PARAMETERS: &CStr = c"";

/// Loads every module of the image. One that fails is reported and left out: what
/// needs it then fails with a message of its own, and the rest of the machine works.
pub(crate) fn load_all() {
    let files = match list(Path::new(MODULES_DIR)) {
        Ok(files) => files,
        Err(error) => {
            console::error(&format!("cannot read {MODULES_DIR}: {error}"));
            return;
        }
    };
    for file in files {
        if let Err(error) = load(&file) {
            console::error(&format!("cannot load the module {}: {error}", file.display()));
        }
        // The files lie in memory, and nobody reads them a second time.
        if let Err(error) = fs::remove_file(&file) {
            console::error(&format!("cannot remove {}: {error}", file.display()));
        }
    }
}

/// The module files of a directory, in the order of their numbers.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if let Some(position) = position(&path) {
            files.push((position, path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The number in `NN-name.ko`; none for a file of any other name.
fn position(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".ko")?;
    name.split_once('-')?.0.parse().ok()
}

fn load(path: &Path) -> io::Result<()> {
    match finit_module(File::open(path)?, NO_PARAMETERS, 0) {
        // It is there already: built in, or pulled in by the kernel.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use super::*;

    #[test]
    fn modules_load_in_the_order_of_their_numbers() {
        let directory = env::temp_dir().join(format!("naru-init-modules-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        for name in ["10-overlay.ko", "2-llc.ko", "1-crc.ko", "README", "x-y.ko", "3-a.ko.xz"] {
            fs::write(directory.join(name), b"").unwrap();
        }
        let files = list(&directory).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        let names: Vec<_> =
            files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["1-crc.ko", "2-llc.ko", "10-overlay.ko"]);
    }
}
