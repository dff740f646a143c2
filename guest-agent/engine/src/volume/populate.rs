//! A volume's first content: what the image has where the volume is mounted.

use std::fs::read_dir;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::syncfs;
use rustix::io::Errno;

use super::make::{PreparedVolume, PreparedVolumes};
use super::mounted::{mount_device, take_off};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{NodeKind, Tree, copy_content};

/// Which part of a volume is to be filled from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) volume: &'a str,
    pub(crate) subpath: Option<&'a str>,
    /// Where the volume will be in the container.
    pub(crate) destination: &'a Path,
}

impl PreparedVolumes {
    /// Whether there is nothing in it yet. Blocks.
    pub(crate) fn is_to_be_filled(&self, filling: Filling<'_>) -> Result<bool> {
        let Some(volume) = self.find(filling.volume) else { return Ok(false) };
        // What is mounted there is seen only when it is.
        if volume.record().is_some_and(|record| record.is_mounted_when_used()) {
            return Ok(true);
        }
        let place = volume.data();
        match filling.subpath {
            // It is looked for once it is known that there is something to fill it with.
            Some(_) => Ok(true),
            None => is_empty(&place).map_err(EngineError::io("looking into", place)),
        }
    }

    /// Fills it, if it is empty and the image has a directory there. Blocks.
    pub(crate) fn fill(&self, engine: &Engine, filling: Filling<'_>, image: &Tree) -> Result<()> {
        let Some(volume) = self.find(filling.volume) else { return Ok(()) };
        let destination = filling.destination.as_os_str().as_encoded_bytes();
        let failed = || EngineError::io("copying from the image", filling.destination);
        let found = image.follow(destination).and_then(|path| image.look(&path));
        let content = match found {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(());
            }
            found => found.map_err(failed())?,
        };
        if content.kind() != NodeKind::Directory {
            return Err(EngineError::Invalid(format!(
                "cannot mount volume over existing file, file exists {}",
                filling.destination.display()
            )));
        }
        let copy = |to: &Tree| copy_content(&content, to).map_err(failed());
        volume.with_content(engine, filling.subpath, copy)
    }
}

impl PreparedVolume {
    /// Lets `copy` fill the volume, or its part at `subpath`, if it is empty.
    fn with_content(
        &self,
        engine: &Engine,
        subpath: Option<&str>,
        copy: impl FnOnce(&Tree) -> Result<()>,
    ) -> Result<()> {
        let data = self.data();
        let Some(record) = self.record() else { return Ok(()) };
        let volume = &self.held.volume;
        if record.is_mounted_when_used() {
            if self.fresh.is_some() {
                mount_device(engine, &record, &data)?;
                let filled = fill_in_place(&data, subpath, copy);
                take_off(&data);
                return filled;
            }
            let _mounted = volume.look_into(engine, &record)?;
            return fill_in_place(&data, subpath, copy);
        }
        // One that is new is not seen before it is whole, and one that no container uses is
        // filled out of sight as well. None begins to while the volume is held.
        if self.fresh.is_some() || subpath.is_some() || volume.is_mounted() {
            return fill_in_place(&data, subpath, copy);
        }
        let name = &record.name;
        let failed = || EngineError::io("filling the volume", name);
        if !is_empty(&data).map_err(failed())? {
            return Ok(());
        }
        self.directories.begin(name).map_err(failed())?;
        let filled = fill_in_place(&self.directories.new_data(name), None, copy);
        if filled.is_err() {
            self.directories.abandon(name).map_err(failed())?;
            return filled;
        }
        self.directories.replace_empty(name).map_err(failed())
    }
}

fn fill_in_place(
    data: &Path,
    subpath: Option<&str>,
    copy: impl FnOnce(&Tree) -> Result<()>,
) -> Result<()> {
    let place = subpath.map_or_else(|| data.to_owned(), |subpath| data.join(subpath));
    let failed = || EngineError::io("filling", &place);
    let volume = Tree::at(data).map_err(failed())?;
    let part = match subpath {
        Some(subpath) => part_of(&volume, &place, subpath)?,
        None => volume,
    };
    match part.is_empty() {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        // A part can be a file.
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(()),
        Err(error) => return Err(failed()(error)),
    }
    copy(&part)?;
    // Half of it must not be all that is there after the power went.
    let synced = part.root().and_then(|root| Ok(syncfs(root.open_directory()?)?));
    synced.map_err(failed())
}

/// What is at `subpath`; `place` is where that is, for who asks.
pub(super) fn part_of(volume: &Tree, place: &Path, subpath: &str) -> Result<Tree> {
    volume.beneath(subpath.as_bytes()).map_err(|error| {
        let why = match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => "no such file or directory".to_owned(),
            Some(Errno::XDEV) => "it leads out of the volume".to_owned(),
            _ => error.to_string(),
        };
        EngineError::Invalid(format!("cannot access path {}: {why}", place.display()))
    })
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(read_dir(directory)?.next().is_none())
}
