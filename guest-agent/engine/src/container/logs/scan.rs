//! The blocking half of reading a log: files, in order, cut into lines.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::feed::Begun;
use super::files::{self, Segment, Upto};
use super::line::{Line, LogQuery, Place};

/// How much of a log is read in one go.
const CHUNK: usize = 256 * 1024;

/// What came of reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be more.
    Read,
    /// There is no more in the files at hand.
    Dry,
    /// There will be no more that was asked for.
    Done,
}

/// A log, as far as it was read.
#[derive(Debug)]
pub(super) struct Scan {
    path: PathBuf,
    query: LogQuery,
    /// What is still to be read, oldest first.
    segments: VecDeque<Segment>,
    /// At its beginning is that of a line whose end was not there yet.
    buffer: Vec<u8>,
    partial: usize,
    /// How many of the lines that fit are before those of `tail`.
    skipped: usize,
}

impl Scan {
    pub(super) fn open(path: &Path, query: LogQuery, upto: Upto) -> io::Result<Self> {
        let segments = files::open(path, upto)?;
        let buffer = Vec::new();
        let path = path.to_owned();
        let mut scan = Self { path, query, segments, buffer, partial: 0, skipped: 0 };
        if let Some(tail) = scan.query.tail {
            scan.skip_to_tail(tail)?;
        }
        Ok(scan)
    }

    /// Has a file read after those at hand.
    pub(super) fn add(&mut self, begun: Begun) -> io::Result<()> {
        if !begun.is_first {
            self.segments.push_back(Segment::new(begun.file));
            return Ok(());
        }
        // A shim goes on with the file of the one before, and may have left it since.
        let mut segments = files::open(&self.path, Upto::Following(begun.file))?;
        let last = self.segments.back_mut().map(|last| {
            last.open_end();
            last.inode()
        });
        let last = last.transpose()?;
        for index in 0..segments.len() {
            if Some(segments[index].inode()?) == last {
                segments.drain(..=index);
                break;
            }
        }
        self.segments.extend(segments);
        Ok(())
    }

    /// Reads on: what to send (nothing may be there yet), and what came of it.
    pub(super) fn read(mut self) -> io::Result<(Self, Bytes, Step)> {
        let mut out = BytesMut::with_capacity(CHUNK);
        let mut left = std::mem::take(&mut self.skipped);
        let step = self.step(|query, line| {
            if left > 0 {
                left -= 1;
            } else {
                query.write(line, &mut out);
            }
        })?;
        self.skipped = left;
        Ok((self, out.freeze(), step))
    }

    /// Reads one chunk and gives its lines to `take`.
    fn step(&mut self, mut take: impl FnMut(&LogQuery, &Line<'_>)) -> io::Result<Step> {
        let Some(segment) = self.segments.front_mut() else { return Ok(Step::Dry) };
        self.buffer.resize(self.partial + CHUNK, 0);
        let read = segment.read(&mut self.buffer[self.partial..])?;
        if read == 0 {
            if self.segments.len() == 1 {
                return Ok(Step::Dry);
            }
            // A line that a crash has cut off, if there is any.
            self.partial = 0;
            self.segments.pop_front();
            return Ok(Step::Read);
        }
        let data = &self.buffer[..self.partial + read];
        let mut rest = data;
        // Up to there no line ends.
        let mut from = self.partial;
        while let Some(end) = memchr(b'\n', &rest[from..]) {
            let (text, after) = rest.split_at(from + end);
            rest = &after[1..];
            from = 0;
            // What cannot be read is skipped, as Docker does.
            let Ok(line) = serde_json::from_slice::<Line<'_>>(text) else { continue };
            match self.query.place(&line) {
                Place::Before => {}
                Place::Within => take(&self.query, &line),
                Place::After => return Ok(Step::Done),
            }
        }
        let begun = data.len() - rest.len()..data.len();
        self.partial = begun.len();
        self.buffer.copy_within(begun, 0);
        Ok(Step::Read)
    }

    fn skip_to_tail(&mut self, tail: usize) -> io::Result<()> {
        if self.query.is_bounded() {
            self.skipped = self.count()?.saturating_sub(tail);
            return Ok(());
        }
        let mut left = tail;
        for index in (0..self.segments.len()).rev() {
            left = self.segments[index].skip_to_last(left)?;
            if left == 0 {
                self.segments.drain(..index);
                break;
            }
        }
        Ok(())
    }

    /// How many lines there are now that fit.
    fn count(&self) -> io::Result<usize> {
        let segments = self.segments.iter().map(Segment::again).collect::<io::Result<_>>()?;
        let query = self.query.clone();
        let (path, buffer) = (self.path.clone(), Vec::new());
        let mut scan = Self { path, query, segments, buffer, partial: 0, skipped: 0 };
        let mut count = 0;
        while scan.step(|_, _| count += 1)? == Step::Read {}
        Ok(count)
    }
}
