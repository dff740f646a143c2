//! Reading a container's log: Docker's json-file format, as the shim writes it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::Stream;
use inotify::{EventStream, Inotify, WatchMask};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Record;

/// How much of a log is read in one go.
const CHUNK: usize = 1 << 20;

/// Which of a process's two streams, by Docker's number in a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdout = 1,
    Stderr = 2,
}

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the client's independent flags")]
pub(crate) struct LogQuery {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// How many of the last lines; all when there is none.
    pub(crate) tail: Option<usize>,
    pub(crate) timestamps: bool,
    pub(crate) follow: bool,
    /// No frames: the container has a terminal.
    pub(crate) raw: bool,
}

/// One line of the file.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    log: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    stream: std::borrow::Cow<'a, str>,
    time: Timestamp,
}

impl LogQuery {
    fn wants(&self, line: &Line<'_>) -> bool {
        self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time <= until)
    }

    /// Appends the line as the client gets it, if it asked for its stream.
    fn write(&self, line: &Line<'_>, out: &mut BytesMut) {
        let (wanted, source) = match &*line.stream {
            "stderr" => (self.stderr, Source::Stderr),
            _ => (self.stdout, Source::Stdout),
        };
        if !wanted {
            return;
        }
        let time = if self.timestamps { format!("{:.9} ", line.time) } else { String::new() };
        if !self.raw {
            let length = u32::try_from(time.len() + line.log.len()).unwrap_or(u32::MAX);
            out.put_slice(&[source as u8, 0, 0, 0]);
            out.put_u32(length);
        }
        out.put_slice(time.as_bytes());
        out.put_slice(line.log.as_bytes());
    }
}

/// The log at `path` as a stream of what the client gets; with `follow` until the
/// container, whose record `watch` tells, has stopped.
pub(crate) fn follow(
    path: PathBuf,
    query: LogQuery,
    watch: watch::Receiver<Record>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let reader = Reader::Unopened { path, query, watch };
    futures::stream::unfold(reader, |reader| async move {
        match reader.next().await {
            Ok(Some((bytes, reader))) => Some((Ok(bytes), reader)),
            Ok(None) => None,
            Err(error) => Some((Err(error), Reader::Ended)),
        }
    })
}

#[derive(Debug)]
enum Reader {
    Unopened { path: PathBuf, query: LogQuery, watch: watch::Receiver<Record> },
    Open(Box<Open>),
    Ended,
}

impl Reader {
    async fn next(self) -> io::Result<Option<(Bytes, Self)>> {
        let mut open = match self {
            Self::Ended => return Ok(None),
            Self::Open(open) => open,
            Self::Unopened { path, query, watch } => {
                // The watch on the directory comes first, so that nothing written
                // after the first read is missed.
                let changes = if query.follow { Some(Changes::of(&path)?) } else { None };
                let scan = spawn_blocking(move || Scan::open(path, query)).await??;
                Box::new(Open { scan: Some(scan), changes, watch })
            }
        };
        loop {
            let running = open.watch.borrow_and_update().counts_as_running();
            let Some(scan) = open.scan.take() else { return Ok(None) };
            let (scan, bytes, more) = spawn_blocking(move || scan.read()).await??;
            open.scan = more.then_some(scan);
            if !bytes.is_empty() {
                if open.scan.is_none() {
                    return Ok(Some((bytes, Self::Ended)));
                }
                return Ok(Some((bytes, Self::Open(open))));
            }
            match (&open.scan, &mut open.changes) {
                (Some(scan), Some(changes)) if scan.at_end() => {
                    // It had stopped before the last read, which found nothing.
                    if !running {
                        return Ok(None);
                    }
                    tokio::select! {
                        changed = changes.next() => changed?,
                        // A closed channel means a removed container.
                        changed = open.watch.changed() => if changed.is_err() { return Ok(None) },
                    }
                }
                (Some(scan), None) if scan.at_end() => return Ok(None),
                (Some(_), _) => {}
                (None, _) => return Ok(None),
            }
        }
    }
}

#[derive(Debug)]
struct Open {
    /// Taken while a blocking thread reads; none once all was read that was wanted.
    scan: Option<Scan>,
    changes: Option<Changes>,
    watch: watch::Receiver<Record>,
}

/// Tells when something is written to a log, or when it is rotated.
#[derive(Debug)]
struct Changes(EventStream<[u8; 1024]>);

impl Changes {
    fn of(path: &Path) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let directory = path.parent().unwrap_or(path);
        inotify.watches().add(directory, WatchMask::MODIFY | WatchMask::CREATE)?;
        Ok(Self(inotify.into_event_stream([0; 1024])?))
    }

    /// Cancel safe: a change is at worst told twice.
    async fn next(&mut self) -> io::Result<()> {
        use futures::StreamExt as _;
        self.0.next().await.transpose().map(drop)
    }
}

/// The blocking half: files, in order, cut into lines.
#[derive(Debug)]
struct Scan {
    path: PathBuf,
    query: LogQuery,
    file: Option<File>,
    /// Older files still to be read before `path`, oldest last.
    older: Vec<PathBuf>,
    /// The beginning of a line whose end was not there yet.
    partial: Vec<u8>,
    /// Lines of `tail` that are already chosen, ready to go out first.
    ready: BytesMut,
    at_end: bool,
}

impl Scan {
    fn open(path: PathBuf, query: LogQuery) -> io::Result<Self> {
        let mut older: Vec<PathBuf> = (1..u32::MAX)
            .map(|n| PathBuf::from(format!("{}.{n}", path.display())))
            .take_while(|rotated| rotated.exists())
            .collect();
        let mut scan = Self {
            file: open_if_there(older.last().unwrap_or(&path))?,
            older: Vec::new(),
            path,
            query,
            partial: Vec::new(),
            ready: BytesMut::new(),
            at_end: false,
        };
        // The last of `older` is open already.
        older.pop();
        scan.older = older;
        if let Some(tail) = scan.query.tail {
            scan.skip_to_tail(tail)?;
        }
        Ok(scan)
    }

    fn at_end(&self) -> bool {
        self.at_end
    }

    /// Reads on: what to send (nothing may be there yet), and whether more may come.
    fn read(mut self) -> io::Result<(Self, Bytes, bool)> {
        let mut out = std::mem::take(&mut self.ready);
        let past_until = self.step(&mut |query, line, out| query.write(line, out), &mut out)?;
        Ok((self, out.freeze(), !past_until))
    }

    /// Reads one chunk and gives its lines to `take`. True when `until` is behind.
    fn step(
        &mut self,
        take: &mut dyn FnMut(&LogQuery, &Line<'_>, &mut BytesMut),
        out: &mut BytesMut,
    ) -> io::Result<bool> {
        if self.file.is_none() {
            self.file = open_if_there(&self.path)?;
        }
        let mut chunk = vec![0; CHUNK];
        let read = match &mut self.file {
            Some(file) => file.read(&mut chunk)?,
            None => 0,
        };
        self.at_end = false;
        if read == 0 {
            self.at_end = !self.next_file()?;
            return Ok(false);
        }
        let mut data = std::mem::take(&mut self.partial);
        data.extend_from_slice(&chunk[..read]);
        let mut rest = data.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (text, after) = rest.split_at(end);
            rest = &after[1..];
            // A line cut off by a crash is skipped, as Docker does.
            let Ok(line) = serde_json::from_slice::<Line<'_>>(text) else { continue };
            if self.query.until.is_some_and(|until| line.time > until) {
                return Ok(true);
            }
            if self.query.wants(&line) {
                take(&self.query, &line, out);
            }
        }
        self.partial = rest.to_vec();
        Ok(false)
    }

    /// Goes on to the next file, if the one at hand is not the last.
    fn next_file(&mut self) -> io::Result<bool> {
        if let Some(path) = self.older.pop() {
            self.file = open_if_there(&path)?;
            return Ok(true);
        }
        let inode = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let at_hand = match &self.file {
            Some(file) => Some(inode(file.metadata()?)),
            None => None,
        };
        let current = std::fs::metadata(&self.path).ok().map(inode);
        if current.is_some() && current != at_hand {
            self.file = open_if_there(&self.path)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads all there is, keeps the last `tail` lines that are wanted.
    fn skip_to_tail(&mut self, tail: usize) -> io::Result<()> {
        if self.older.is_empty() && self.query.since.is_none() && self.query.until.is_none() {
            if let Some(file) = &mut self.file {
                seek_to_last_lines(file, tail)?;
            }
            return Ok(());
        }
        let mut last: VecDeque<Bytes> = VecDeque::new();
        let mut unused = BytesMut::new();
        loop {
            let past_until = self.step(
                &mut |query, line, _| {
                    let mut one = BytesMut::new();
                    query.write(line, &mut one);
                    last.push_back(one.freeze());
                    if last.len() > tail {
                        last.pop_front();
                    }
                },
                &mut unused,
            )?;
            if past_until || self.at_end {
                break;
            }
        }
        self.ready.extend(last.into_iter().flatten());
        Ok(())
    }
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts the file's position before its last `lines` complete lines.
fn seek_to_last_lines(file: &mut File, lines: usize) -> io::Result<()> {
    let mut position = file.seek(SeekFrom::End(0))?;
    let mut wanted = lines;
    let mut chunk = vec![0; CHUNK];
    let mut first = true;
    while position > 0 {
        let length = position.min(CHUNK as u64);
        position -= length;
        file.seek(SeekFrom::Start(position))?;
        let chunk = &mut chunk[..usize::try_from(length).unwrap_or(CHUNK)];
        file.read_exact(chunk)?;
        for (index, _) in chunk.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            // The very last newline ends the last line and begins none.
            if std::mem::take(&mut first) && wanted > 0 {
                continue;
            }
            if wanted <= 1 {
                let after = position + index as u64 + 1;
                file.seek(SeekFrom::Start(if lines == 0 {
                    after.max(position + length)
                } else {
                    after
                }))?;
                return Ok(());
            }
            wanted -= 1;
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;
    use crate::container::record::tests_support::record;

    fn line(n: u32, stream: &str) -> String {
        format!(
            "{{\"log\":\"line {n}\\n\",\"stream\":\"{stream}\",\
             \"time\":\"2026-01-01T00:00:{n:02}.000000000Z\"}}\n"
        )
    }

    async fn read(files: &[(&str, String)], query: LogQuery) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let (_sender, watch) = watch::channel(record());
        let stream = follow(directory.path().join("log"), query, watch);
        let bytes: Vec<Bytes> = stream.try_collect().await.unwrap();
        String::from_utf8(bytes.concat()).unwrap()
    }

    fn all() -> LogQuery {
        LogQuery { stdout: true, stderr: true, raw: true, ..LogQuery::default() }
    }

    fn lines(range: std::ops::RangeInclusive<u32>) -> String {
        range.map(|n| line(n, "stdout")).collect()
    }

    #[tokio::test]
    async fn rotated_files_are_read_oldest_first() {
        let files = [("log.2", lines(1..=2)), ("log.1", lines(3..=4)), ("log", lines(5..=5))];
        let text = read(&files, all()).await;
        assert_eq!(text, "line 1\nline 2\nline 3\nline 4\nline 5\n");
        let tail = LogQuery { tail: Some(2), ..all() };
        assert_eq!(read(&files, tail).await, "line 4\nline 5\n");
    }

    #[tokio::test]
    async fn tail_takes_the_last_lines() {
        let files = [("log", lines(1..=9))];
        for (tail, expected) in [(0, ""), (1, "line 9\n"), (2, "line 8\nline 9\n")] {
            let query = LogQuery { tail: Some(tail), ..all() };
            assert_eq!(read(&files, query).await, expected, "tail {tail}");
        }
        let query = LogQuery { tail: Some(100), ..all() };
        assert_eq!(read(&files, query).await.lines().count(), 9);
    }

    #[tokio::test]
    async fn since_and_until_come_before_tail() {
        let at = |n: u32| format!("2026-01-01T00:00:{n:02}Z").parse().ok();
        let query = LogQuery { since: at(3), until: at(6), tail: Some(2), ..all() };
        assert_eq!(read(&[("log", lines(1..=9))], query).await, "line 5\nline 6\n");
    }

    #[tokio::test]
    async fn frames_name_their_stream_and_streams_can_be_left_out() {
        let files = [("log", line(1, "stdout") + &line(2, "stderr"))];
        let query = LogQuery { stdout: false, raw: false, ..all() };
        assert_eq!(read(&files, query).await, "\u{2}\0\0\0\0\0\0\u{7}line 2\n");
        let query = LogQuery { stderr: false, timestamps: true, ..all() };
        assert_eq!(read(&files, query).await, "2026-01-01T00:00:01.000000000Z line 1\n");
    }

    #[tokio::test]
    async fn following_ends_when_the_container_has_stopped_and_all_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, lines(1..=1)).unwrap();
        let mut running = record();
        running.state.status = crate::container::Status::Running;
        let (sender, watch) = watch::channel(running.clone());
        let query = LogQuery { follow: true, ..all() };
        let mut stream = Box::pin(follow(path.clone(), query, watch));
        assert_eq!(stream.try_next().await.unwrap().unwrap(), "line 1\n");
        let more = std::fs::read_to_string(&path).unwrap() + &lines(2..=2);
        std::fs::write(&path, more).unwrap();
        running.state.status = crate::container::Status::Exited;
        sender.send_replace(running);
        assert_eq!(stream.try_next().await.unwrap().unwrap(), "line 2\n");
        assert!(stream.try_next().await.unwrap().is_none());
    }
}
