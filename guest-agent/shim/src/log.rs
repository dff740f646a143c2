//! The log of a process's output, in the format of Docker's `json-file` driver.
//!
//! One line of output is one line of the file; a line longer than 16 KiB is several, all but the
//! last without the newline in its text, which is how readers put them together again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use memchr::memchr;

use crate::clock;
use crate::wire::{LogConfig, LogPosition};

/// As long as Docker's copier lets a piece of a line become.
const PIECE_MAX: usize = 16 * 1024;

/// Where a piece of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamName {
    Stdout,
    Stderr,
}

impl StreamName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// The number in the attach stream's frames.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// The file that is written, and the beginnings of lines whose ends have not come yet.
#[derive(Debug)]
pub(crate) struct Log {
    config: LogConfig,
    file: File,
    size: u64,
    unfinished: [Vec<u8>; 2],
    /// Formatted and not yet written.
    batch: Vec<u8>,
    /// What stands between stream and time in every line.
    attributes: String,
    /// Whether somebody wants the files that are begun.
    is_followed: bool,
    /// Those that nobody has taken yet, open for reading.
    begun: Vec<Rc<File>>,
}

impl Log {
    /// Opens the file, to add to what is there.
    pub(crate) fn open(config: LogConfig) -> io::Result<Self> {
        let file = open(&config.path)?;
        let size = file.metadata()?.len();
        let attributes = if config.attributes.is_empty() {
            String::new()
        } else {
            format!(",\"attrs\":{}", serde_json::to_string(&config.attributes)?)
        };
        Ok(Self {
            config,
            file,
            size,
            unfinished: Default::default(),
            batch: Vec::new(),
            attributes,
            is_followed: false,
            begun: Vec::new(),
        })
    }

    /// Where the next line will be.
    pub(crate) fn position(&self) -> io::Result<LogPosition> {
        let metadata = self.file.metadata()?;
        Ok(LogPosition { inode: metadata.ino(), length: metadata.len() })
    }

    /// What is of a line whose end has not come yet.
    pub(crate) fn unfinished(&self, stream: StreamName) -> &[u8] {
        &self.unfinished[usize::from(stream.number() - 1)]
    }

    /// The file that is written, open for reading.
    pub(crate) fn reader(&self) -> io::Result<Rc<File>> {
        File::open(&self.config.path).map(Rc::new)
    }

    /// From now on files that are begun are kept for [`Self::take_begun`], or not any more.
    pub(crate) fn set_followed(&mut self, is_followed: bool) {
        self.is_followed = is_followed;
    }

    /// The files begun since the last call, oldest first.
    pub(crate) fn take_begun(&mut self) -> Vec<Rc<File>> {
        std::mem::take(&mut self.begun)
    }

    /// Writes what is a whole line, or long enough to be a piece of one.
    ///
    /// The time is that of this call for all of it: what came out in one read was written at
    /// one time as far as anyone can tell.
    pub(crate) fn write(&mut self, stream: StreamName, mut data: &[u8]) -> io::Result<()> {
        let end = Tail::new(stream, &self.attributes);
        let index = usize::from(stream.number() - 1);
        let mut unfinished = std::mem::take(&mut self.unfinished[index]);
        while !data.is_empty() {
            let room = PIECE_MAX - unfinished.len();
            let window = &data[..data.len().min(room)];
            let length = memchr(b'\n', window).map_or(window.len(), |newline| newline + 1);
            let (piece, rest) = data.split_at(length);
            data = rest;
            let is_whole = piece.ends_with(b"\n") || length == room;
            match (is_whole, unfinished.is_empty()) {
                (true, true) => self.add(piece, &end)?,
                (true, false) => {
                    unfinished.extend_from_slice(piece);
                    self.add(&unfinished, &end)?;
                    unfinished.clear();
                }
                (false, _) => unfinished.extend_from_slice(piece),
            }
        }
        self.unfinished[index] = unfinished;
        self.flush()
    }

    /// Writes the lines whose ends will never come.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        for stream in [StreamName::Stdout, StreamName::Stderr] {
            let index = usize::from(stream.number() - 1);
            let rest = std::mem::take(&mut self.unfinished[index]);
            if !rest.is_empty() {
                let end = Tail::new(stream, &self.attributes);
                self.add(&rest, &end)?;
            }
        }
        self.flush()
    }

    fn add(&mut self, piece: &[u8], end: &Tail) -> io::Result<()> {
        let pending = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        if self.config.max_size.is_some_and(|max| self.size.saturating_add(pending) >= max) {
            self.flush()?;
            self.rotate()?;
        }
        self.batch.extend_from_slice(b"{\"log\":");
        serde_json::to_writer(&mut self.batch, &String::from_utf8_lossy(piece))?;
        self.batch.extend_from_slice(end.0.as_bytes());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A batch that cannot be written is lost rather than written twice.
        let result = self.file.write_all(&self.batch);
        self.size += u64::try_from(self.batch.len()).unwrap_or(0);
        self.batch.clear();
        result
    }

    /// Begins a new file and moves the others up by one.
    fn rotate(&mut self) -> io::Result<()> {
        let path = &self.config.path;
        let kept = self.config.max_file.unwrap_or(1).max(1) - 1;
        if kept == 0 {
            // Not truncated: who reads it may do so to its end.
            fs::remove_file(path)?;
        } else {
            for number in (1..kept).rev() {
                rename(&numbered(path, number), &numbered(path, number + 1))?;
            }
            rename(path, &numbered(path, 1))?;
        }
        self.file = open(path)?;
        self.size = 0;
        if self.is_followed {
            self.begun.push(self.reader()?);
        }
        Ok(())
    }
}

/// What follows the text in a line of the file.
struct Tail(String);

impl Tail {
    fn new(stream: StreamName, attributes: &str) -> Self {
        let (stream, now) = (stream.as_str(), clock::now());
        Self(format!(",\"stream\":\"{stream}\"{attributes},\"time\":\"{now}\"}}\n"))
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    File::options().append(true).create(true).mode(0o640).open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// A file that is not there yet need not be moved.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn log(max_size: Option<u64>, max_file: Option<u32>) -> anyhow::Result<(TempDir, Log)> {
        let directory = tempdir()?;
        let path = directory.path().join("x-json.log");
        let attributes = std::collections::BTreeMap::default();
        let log = Log::open(LogConfig { path, max_size, max_file, attributes })?;
        Ok((directory, log))
    }

    fn texts(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let lines = fs::read_to_string(path)?;
        let lines = lines.lines().map(|line| {
            let value: Value = serde_json::from_str(line)?;
            Ok((text(&value, "stream"), text(&value, "log")))
        });
        lines.collect()
    }

    fn pair(stream: &str, text: &str) -> (String, String) {
        (stream.to_owned(), text.to_owned())
    }

    #[test]
    fn a_line_is_an_object_with_log_stream_and_time() -> anyhow::Result<()> {
        let (_directory, mut log) = log(None, None)?;
        log.write(StreamName::Stdout, b"a \"b\"\n")?;
        let text = fs::read_to_string(&log.config.path)?;
        assert!(text.starts_with(r#"{"log":"a \"b\"\n","stream":"stdout","time":"20"#), "{text}");
        assert!(text.ends_with("Z\"}\n"), "{text}");
        Ok(())
    }

    #[test]
    fn lines_are_put_together_across_reads_and_streams() -> anyhow::Result<()> {
        let (_directory, mut log) = log(None, None)?;
        log.write(StreamName::Stdout, b"one\ntw")?;
        log.write(StreamName::Stderr, b"err\n")?;
        log.write(StreamName::Stdout, b"o\nlast")?;
        log.finish()?;
        assert_eq!(
            texts(&log.config.path)?,
            [
                pair("stdout", "one\n"),
                pair("stderr", "err\n"),
                pair("stdout", "two\n"),
                pair("stdout", "last"),
            ]
        );
        Ok(())
    }

    #[test]
    fn a_long_line_is_cut_into_pieces_of_16_kib() -> anyhow::Result<()> {
        let (_directory, mut log) = log(None, None)?;
        let line = "x".repeat(40_000) + "\n";
        let (first, second) = line.as_bytes().split_at(1000);
        log.write(StreamName::Stdout, first)?;
        log.write(StreamName::Stdout, second)?;
        let lengths: Vec<usize> =
            texts(&log.config.path)?.iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [16_384, 16_384, 7_233]);
        Ok(())
    }

    #[test]
    fn what_is_not_utf8_is_replaced() -> anyhow::Result<()> {
        let (_directory, mut log) = log(None, None)?;
        log.write(StreamName::Stdout, b"\xff\n")?;
        assert_eq!(texts(&log.config.path)?, [pair("stdout", "\u{fffd}\n")]);
        Ok(())
    }

    #[test]
    fn a_full_file_is_moved_and_the_oldest_is_dropped() -> anyhow::Result<()> {
        let (directory, mut log) = log(Some(100), Some(3))?;
        for number in 0..8 {
            log.write(StreamName::Stdout, format!("{number}\n").as_bytes())?;
        }
        let path = &log.config.path;
        // A line is 72 bytes, so that every second one fills a file.
        assert_eq!(texts(path)?, [pair("stdout", "6\n"), pair("stdout", "7\n")]);
        assert_eq!(texts(&numbered(path, 1))?, [pair("stdout", "4\n"), pair("stdout", "5\n")]);
        assert_eq!(texts(&numbered(path, 2))?, [pair("stdout", "2\n"), pair("stdout", "3\n")]);
        assert_eq!(fs::read_dir(directory.path())?.count(), 3);
        Ok(())
    }

    #[test]
    fn attributes_stand_in_every_line() -> anyhow::Result<()> {
        let (_directory, log) = log(None, None)?;
        let attributes = [("b", "2"), ("a", "\"1\"")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut log = Log::open(LogConfig { attributes: attributes.into(), ..log.config })?;
        log.write(StreamName::Stderr, b"x\n")?;
        let text = fs::read_to_string(&log.config.path)?;
        let expected = r#"{"log":"x\n","stream":"stderr","attrs":{"a":"\"1\"","b":"2"},"time":"#;
        assert!(text.starts_with(expected), "{text}");
        Ok(())
    }

    #[test]
    fn a_follower_gets_every_file_whole_though_none_is_kept() -> anyhow::Result<()> {
        let (directory, mut log) = log(Some(100), None)?;
        let mut files = vec![log.reader()?];
        log.set_followed(true);
        for number in 0..8 {
            log.write(StreamName::Stdout, format!("{number}\n").as_bytes())?;
        }
        files.extend(log.take_begun());
        assert_eq!(fs::read_dir(directory.path())?.count(), 1);
        let mut seen = String::new();
        for file in files {
            let text = io::read_to_string(&*file)?;
            for line in text.lines() {
                let value: Value = serde_json::from_str(line)?;
                seen.push_str(value["log"].as_str().unwrap_or_default());
            }
        }
        assert_eq!(seen, "0\n1\n2\n3\n4\n5\n6\n7\n");
        Ok(())
    }

    #[test]
    fn a_position_is_behind_all_whole_lines() -> anyhow::Result<()> {
        let (_directory, mut log) = log(None, None)?;
        log.write(StreamName::Stdout, b"whole\nhalf")?;
        let position = log.position()?;
        assert_eq!(position.length, fs::metadata(&log.config.path)?.len());
        assert_eq!(log.unfinished(StreamName::Stdout), b"half");
        assert_eq!(log.unfinished(StreamName::Stderr), b"");
        log.write(StreamName::Stdout, b"\n")?;
        let text = fs::read(&log.config.path)?;
        let after = &text[usize::try_from(position.length)?..];
        assert!(after.starts_with(br#"{"log":"half\n""#));
        Ok(())
    }
}
