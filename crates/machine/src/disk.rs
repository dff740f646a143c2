//! The data disk: a sparse copy of a formatted template that only ever grows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::MachineError;
use crate::lock::DiskLock;

/// Bytes in a GiB.
const GIB: u64 = 1 << 30;

/// Copied at a time; holes are only found at whole blocks of the template's file system.
const COPY_BLOCK: usize = 1 << 20;

/// Makes sure of a data disk of at least `size_gib` at `path`.
///
/// A missing one is copied from the template, and stands there whole or not at all. One
/// that exists keeps its bytes; it grows if it is smaller, and never shrinks. The
/// guest grows the file system in it. Blocking.
pub fn prepare_data_disk(template: &Path, path: &Path, size_gib: u32) -> Result<(), MachineError> {
    if !path.try_exists().map_err(|source| MachineError::file("look for", path, source))? {
        copy_template(template, path)?;
    }
    let wanted = u64::from(size_gib) * GIB;
    let disk = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(|source| MachineError::file("open", path, source))?;
    let size = disk.metadata().map_err(|source| MachineError::file("examine", path, source))?.len();
    if size < wanted {
        disk.set_len(wanted).map_err(|source| MachineError::file("grow", path, source))?;
        disk.sync_all().map_err(|source| MachineError::file("write", path, source))?;
        tracing::info!(path = %path.display(), from = size, to = wanted, "data disk grown");
    }
    Ok(())
}

/// Removes the data disk at `path` with all that is on it; one that is not there is no error.
///
/// A machine that runs keeps its own. Blocking.
pub fn remove_data_disk(path: &Path) -> Result<(), MachineError> {
    let _lock = path.parent().map(DiskLock::acquire).transpose()?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => {
            removed.map_err(|source| MachineError::file("remove", path, source))?;
            tracing::info!(path = %path.display(), "data disk removed");
            sync_folder(path)
        }
    }
}

fn copy_template(template: &Path, path: &Path) -> Result<(), MachineError> {
    let mut source = match File::open(template) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = "disk template";
            return Err(MachineError::ImageMissing { what, path: template.to_path_buf() });
        }
        opened => opened.map_err(|source| MachineError::file("open", template, source))?,
    };
    let partial = path.with_extension("partial");
    let written = |source| MachineError::file("write", &partial, source);
    let mut target = private_file(&partial).map_err(written)?;
    let copied = copy_sparse(&mut source, &mut target).and_then(|()| target.sync_all());
    if let Err(error) = copied {
        // What is left would only take the room that may be missing.
        drop(fs::remove_file(&partial));
        return Err(written(error));
    }
    fs::rename(&partial, path).map_err(written)?;
    sync_folder(path)
}

/// Creates a file, or empties it, that only this user can read.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.open(path)?;
    #[cfg(windows)]
    windows::make_sparse(path)?;
    Ok(file)
}

/// Copies what is not a hole.
#[cfg(unix)]
fn copy_sparse(source: &mut File, target: &mut File) -> io::Result<()> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    use std::os::unix::fs::FileExt;

    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut block = vec![0; COPY_BLOCK];
    let mut end = 0;
    loop {
        let start = match seek(&*source, SeekFrom::Data(end)) {
            Ok(start) => start,
            // No data after this place.
            Err(Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        end = seek(&*source, SeekFrom::Hole(start))?;
        let mut at = start;
        while at < end {
            let room = usize::try_from(end - at).unwrap_or(COPY_BLOCK).min(COPY_BLOCK);
            let count = source.read_at(&mut block[..room], at)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            target.write_all_at(&block[..count], at)?;
            at += count as u64;
        }
    }
}

/// Copies what is not zero: the blocks that are left out of a sparse file are zero.
#[cfg(not(unix))]
fn copy_sparse(source: &mut File, target: &mut File) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};

    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut block = vec![0; COPY_BLOCK];
    let mut at = 0;
    loop {
        let count = source.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        if block[..count].iter().any(|&byte| byte != 0) {
            target.seek(SeekFrom::Start(at))?;
            target.write_all(&block[..count])?;
        }
        at += count as u64;
    }
}

/// Replaces a small file, whole or not at all.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), MachineError> {
    let partial = path.with_extension("partial");
    let written = |source| MachineError::file("write", &partial, source);
    let mut file = private_file(&partial).map_err(written)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(written)?;
    fs::rename(&partial, path).map_err(written)
}

/// Makes a rename in the file's folder last.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), MachineError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| MachineError::file("write", folder, source))
}

/// Windows writes the folder with the file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), MachineError> {
    Ok(())
}

/// Makes a folder that only this user can enter.
pub(crate) fn private_folder(path: &Path) -> Result<(), MachineError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path).map_err(|source| MachineError::file("create", path, source))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // It may have been there before, with other permissions.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|source| MachineError::file("make private", path, source))?;
    }
    Ok(())
}

#[cfg(windows)]
mod windows {
    use std::io;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// Without the mark a file's holes take room. NTFS's own tool sets it.
    pub(super) fn make_sparse(path: &Path) -> io::Result<()> {
        let mut fsutil = Command::new("fsutil");
        let status = fsutil
            .args(["sparse", "setflag"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            tracing::warn!(path = %path.display(), "the disk's file cannot be made sparse");
        }
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
    use std::path::PathBuf;

    use super::*;

    /// 64 MiB with two islands of data.
    fn template(folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join("template.img");
        let file = File::create(&path)?;
        file.set_len(64 << 20)?;
        file.write_all_at(b"superblock", 1024)?;
        file.write_all_at(&[7; 5000], 40 << 20)?;
        Ok(path)
    }

    #[test]
    fn a_new_disk_has_the_templates_bytes_and_its_holes() {
        let folder = tempfile::tempdir().unwrap();
        let (template, disk) = (template(folder.path()).unwrap(), folder.path().join("data.img"));
        prepare_data_disk(&template, &disk, 3).unwrap();
        let metadata = disk.metadata().unwrap();
        assert_eq!(metadata.len(), 3 * GIB);
        assert!(metadata.blocks() * 512 < 4 << 20, "{} blocks are allocated", metadata.blocks());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let mut copied = vec![0; 64 << 20];
        File::open(&disk).unwrap().read_exact_at(&mut copied, 0).unwrap();
        assert!(copied == fs::read(&template).unwrap(), "the copy differs from the template");
        assert!(!folder.path().join("data.partial").exists());
    }

    #[test]
    fn a_disk_grows_keeps_its_bytes_and_never_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let (template, disk) = (template(folder.path()).unwrap(), folder.path().join("data.img"));
        prepare_data_disk(&template, &disk, 1).unwrap();
        OpenOptions::new().write(true).open(&disk).unwrap().write_all_at(b"mine", 9000).unwrap();
        for (wanted, size) in [(2, 2), (1, 2), (2, 2)] {
            prepare_data_disk(&template, &disk, wanted).unwrap();
            assert_eq!(disk.metadata().unwrap().len(), size * GIB, "asked for {wanted} GiB");
        }
        let mut kept = [0; 4];
        File::open(&disk).unwrap().read_exact_at(&mut kept, 9000).unwrap();
        assert_eq!(&kept, b"mine");
    }

    #[test]
    fn a_copy_that_was_cut_off_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (template, disk) = (template(folder.path()).unwrap(), folder.path().join("data.img"));
        fs::write(folder.path().join("data.partial"), vec![9; 100_000]).unwrap();
        prepare_data_disk(&template, &disk, 1).unwrap();
        let mut start = [1; 10];
        File::open(&disk).unwrap().read_exact_at(&mut start, 0).unwrap();
        assert_eq!(start, [0; 10]);
    }

    #[test]
    fn a_removed_disk_is_made_anew_without_what_was_on_it_and_as_small_as_it_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let (template, disk) = (template(folder.path()).unwrap(), folder.path().join("data.img"));
        prepare_data_disk(&template, &disk, 2).unwrap();
        OpenOptions::new().write(true).open(&disk).unwrap().write_all_at(b"mine", 9000).unwrap();
        remove_data_disk(&disk).unwrap();
        assert!(!disk.exists());
        remove_data_disk(&disk).unwrap();
        prepare_data_disk(&template, &disk, 1).unwrap();
        let mut bytes = [1; 4];
        File::open(&disk).unwrap().read_exact_at(&mut bytes, 9000).unwrap();
        assert_eq!((bytes, disk.metadata().unwrap().len()), ([0; 4], GIB));
    }

    #[test]
    fn the_disk_of_a_machine_that_runs_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (template, disk) = (template(folder.path()).unwrap(), folder.path().join("data.img"));
        prepare_data_disk(&template, &disk, 1).unwrap();
        let running = DiskLock::acquire(folder.path()).unwrap();
        let error = remove_data_disk(&disk).unwrap_err();
        assert!(matches!(error, MachineError::AlreadyRunning { .. }), "{error}");
        assert!(disk.exists());
        drop(running);
        remove_data_disk(&disk).unwrap();
    }

    #[test]
    fn a_missing_template_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("template.img");
        let error = prepare_data_disk(&missing, &folder.path().join("data.img"), 1).unwrap_err();
        assert!(matches!(error, MachineError::ImageMissing { path, .. } if path == missing));
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let full = MachineError::file("write", Path::new("/x"), io::ErrorKind::StorageFull.into());
        assert!(matches!(full, MachineError::DiskFull { .. }));
    }
}
