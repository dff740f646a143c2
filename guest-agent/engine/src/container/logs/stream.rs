//! A log as a stream of what the client gets.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::feed::Feed;
use super::files::Upto;
use super::line::LogQuery;
use super::scan::{Scan, Step};

/// The log at `path` as far as it goes.
pub(crate) fn read(
    path: PathBuf,
    query: LogQuery,
    upto: Upto,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream(Reader { scan: State::Unopened(path, query, upto), feed: None, deadline: None })
}

/// The log at `path`, and what comes after it: until its shim has ended, or `until` has passed.
pub(crate) fn follow(
    path: PathBuf,
    query: LogQuery,
    upto: Upto,
    feed: Feed,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let deadline = query.until.map(|until| {
        let left = until.duration_since(Timestamp::now());
        Instant::now() + left.try_into().unwrap_or_default()
    });
    stream(Reader { scan: State::Unopened(path, query, upto), feed: Some(feed), deadline })
}

fn stream(reader: Reader) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures::stream::unfold(reader, |mut reader| async {
        let next = reader.next().await.transpose()?;
        if next.is_err() {
            reader.scan = State::Ended;
        }
        Some((next, reader))
    })
}

#[derive(Debug)]
struct Reader {
    scan: State,
    feed: Option<Feed>,
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Unopened(PathBuf, LogQuery, Upto),
    Open(Scan),
    Ended,
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut scan = match std::mem::replace(&mut self.scan, State::Ended) {
            State::Unopened(path, query, upto) => {
                spawn_blocking(move || Scan::open(&path, query, upto)).await??
            }
            State::Open(scan) => scan,
            State::Ended => return Ok(None),
        };
        loop {
            // Before the read: whatever was told by then it finds.
            let (files, is_ended) = self.feed.as_ref().map_or_else(Default::default, Feed::take);
            let is_ended = is_ended || self.feed.is_none() || self.is_late();
            let (read, bytes, step) = spawn_blocking(move || {
                for begun in files {
                    scan.add(begun)?;
                }
                scan.read()
            })
            .await??;
            scan = read;
            if !bytes.is_empty() {
                if step != Step::Done {
                    self.scan = State::Open(scan);
                }
                return Ok(Some(bytes));
            }
            match (step, &self.feed) {
                (Step::Read, _) => {}
                (Step::Dry, Some(feed)) if !is_ended => tokio::select! {
                    () = feed.changed() => {}
                    () = until(self.deadline) => {}
                },
                (Step::Dry | Step::Done, _) => return Ok(None),
            }
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{IoSlice, Write as _};
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream as StdUnixStream;
    use std::path::Path;

    use futures::TryStreamExt as _;
    use futures::channel::mpsc::unbounded;
    use naru_shim::wire::LogPosition;
    use rustix::cmsg_space;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use tokio_util::task::TaskTracker;

    use super::super::feed::{LogFeed, Word};
    use super::*;

    fn line(n: u32, stream: &str) -> String {
        format!(
            "{{\"log\":\"line {n}\\n\",\"stream\":\"{stream}\",\
             \"time\":\"2026-01-01T00:00:{n:02}.000000000Z\"}}\n"
        )
    }

    fn lines(range: std::ops::RangeInclusive<u32>) -> String {
        range.map(|n| line(n, "stdout")).collect()
    }

    fn all() -> LogQuery {
        LogQuery { stdout: true, stderr: true, raw: true, ..LogQuery::default() }
    }

    fn at(n: u32) -> Option<Timestamp> {
        format!("2026-01-01T00:00:{n:02}Z").parse().ok()
    }

    async fn text(files: &[(&str, String)], query: LogQuery, upto: Upto) -> String {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let stream = read(directory.path().join("log"), query, upto);
        let bytes: Vec<Bytes> = stream.try_collect().await.unwrap();
        String::from_utf8(bytes.concat()).unwrap()
    }

    async fn now(files: &[(&str, String)], query: LogQuery) -> String {
        text(files, query, Upto::Now).await
    }

    #[tokio::test]
    async fn rotated_files_are_read_oldest_first() {
        let files = [("log.2", lines(1..=2)), ("log.1", lines(3..=4)), ("log", lines(5..=5))];
        assert_eq!(now(&files, all()).await, "line 1\nline 2\nline 3\nline 4\nline 5\n");
        for (tail, expected) in [
            (0, ""),
            (1, "line 5\n"),
            (2, "line 4\nline 5\n"),
            (4, "line 2\nline 3\nline 4\nline 5\n"),
        ] {
            let query = LogQuery { tail: Some(tail), ..all() };
            assert_eq!(now(&files, query).await, expected, "tail {tail}");
        }
        let query = LogQuery { tail: Some(6), ..all() };
        assert_eq!(now(&files, query).await.lines().count(), 5);
    }

    #[tokio::test]
    async fn a_line_that_is_cut_off_is_left_out() {
        let cut = lines(3..=3)[..30].to_owned();
        let files = [("log.1", lines(1..=1) + &cut), ("log", lines(2..=2) + &cut)];
        assert_eq!(now(&files, all()).await, "line 1\nline 2\n");
        let query = LogQuery { tail: Some(1), ..all() };
        assert_eq!(now(&files, query).await, "line 2\n");
    }

    #[tokio::test]
    async fn since_and_until_come_before_tail() {
        let files = [("log.1", lines(1..=5)), ("log", lines(6..=9))];
        let bounds = LogQuery { since: at(3), until: at(6), ..all() };
        for (tail, expected) in [
            (None, "line 3\nline 4\nline 5\nline 6\n"),
            (Some(0), ""),
            (Some(2), "line 5\nline 6\n"),
            (Some(9), "line 3\nline 4\nline 5\nline 6\n"),
        ] {
            let query = LogQuery { tail, ..bounds.clone() };
            assert_eq!(now(&files, query).await, expected, "tail {tail:?}");
        }
    }

    #[tokio::test]
    async fn frames_name_their_stream_and_streams_can_be_left_out() {
        let files = [("log", line(1, "stdout") + &line(2, "stderr"))];
        let query = LogQuery { stdout: false, raw: false, ..all() };
        assert_eq!(now(&files, query).await, "\u{2}\0\0\0\0\0\0\u{7}line 2\n");
        let query = LogQuery { stderr: false, timestamps: true, ..all() };
        assert_eq!(now(&files, query).await, "2026-01-01T00:00:01.000000000Z line 1\n");
    }

    #[tokio::test]
    async fn a_position_is_found_though_its_file_was_rotated() {
        use std::os::unix::fs::MetadataExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let read_to = async |position| {
            let stream = read(path.clone(), all(), Upto::Position(position));
            String::from_utf8(stream.try_collect::<Vec<_>>().await.unwrap().concat()).unwrap()
        };
        std::fs::write(directory.path().join("log.1"), lines(1..=1)).unwrap();
        std::fs::write(&path, lines(2..=3)).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let position = LogPosition { inode, length: lines(2..=2).len() as u64 };
        assert_eq!(read_to(position).await, "line 1\nline 2\n");
        std::fs::rename(directory.path().join("log.1"), directory.path().join("log.2")).unwrap();
        std::fs::rename(&path, directory.path().join("log.1")).unwrap();
        std::fs::write(&path, lines(4..=4)).unwrap();
        assert_eq!(read_to(position).await, "line 1\nline 2\n");
        assert_eq!(read_to(LogPosition { inode: 0, length: 1 }).await, "");
    }

    /// Says what a shim says when it has begun a file.
    fn hand_over(shim: &StdUnixStream, path: &Path) -> Upto {
        let file = File::open(path).unwrap();
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        sendmsg(shim, &[IoSlice::new(b"\n")], &mut control, SendFlags::empty()).unwrap();
        Upto::Following(file)
    }

    /// The engine's end, and the file that it was handed at first.
    async fn connected(ours: StdUnixStream) -> (File, LogFeed) {
        ours.set_nonblocking(true).unwrap();
        let feed = LogFeed(tokio::net::UnixStream::from_std(ours).unwrap());
        match feed.next().await {
            Ok(Word::Begun(file)) => (file, feed),
            other => panic!("{other:?}"),
        }
    }

    fn append(path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn a_follower_misses_nothing_that_is_rotated_away_and_ends_with_the_shim() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &lines(1..=1));
        let (mut shim, ours) = StdUnixStream::pair().unwrap();
        let upto = hand_over(&shim, &path);
        let feed = connected(ours).await.1;
        let feed = Feed::start(Some(feed), futures::stream::empty(), &TaskTracker::new());
        let mut stream = Box::pin(follow(path.clone(), all(), upto, feed));
        assert_eq!(stream.try_next().await.unwrap().unwrap(), "line 1\n");

        for n in 2..=40 {
            append(&path, &lines(n..=n));
            shim.write_all(b"\n").unwrap();
            std::fs::remove_file(&path).unwrap();
            append(&path, "");
            hand_over(&shim, &path);
        }
        append(&path, &lines(41..=41));
        drop(shim);
        let rest: Vec<Bytes> = stream.try_collect().await.unwrap();
        let rest = String::from_utf8(rest.concat()).unwrap();
        let expected: Vec<String> = (2..=41).map(|n| format!("line {n}")).collect();
        assert_eq!(rest.lines().collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn a_follower_goes_on_with_the_next_shim() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &lines(1..=1));
        let (first, ours) = StdUnixStream::pair().unwrap();
        let upto = hand_over(&first, &path);
        let feed = connected(ours).await.1;
        let (next, shims) = unbounded();
        let feed = Feed::start(Some(feed), shims, &TaskTracker::new());
        let mut stream = Box::pin(follow(path.clone(), all(), upto, feed));
        assert_eq!(stream.try_next().await.unwrap().unwrap(), "line 1\n");

        // The next shim writes to the same file, then to others, before it is found.
        append(&path, &lines(2..=2));
        for n in 3..=4 {
            std::fs::rename(directory.path().join("log.1"), directory.path().join("log.2")).ok();
            std::fs::rename(&path, directory.path().join("log.1")).unwrap();
            append(&path, &lines(n..=n));
        }
        let (second, ours) = StdUnixStream::pair().unwrap();
        hand_over(&second, &path);
        let (file, feed) = connected(ours).await;
        next.unbounded_send((file, Some(feed))).unwrap();
        drop(first);
        append(&path, &lines(5..=5));
        drop(second);
        // One more was gone before it could be asked.
        append(&path, &lines(6..=6));
        next.unbounded_send((File::open(&path).unwrap(), None)).unwrap();
        drop(next);
        let rest: Vec<Bytes> = stream.try_collect().await.unwrap();
        assert_eq!(rest.concat(), b"line 2\nline 3\nline 4\nline 5\nline 6\n");
    }

    #[tokio::test]
    async fn following_up_to_a_time_that_has_passed_ends_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, &lines(1..=1));
        let (shim, ours) = StdUnixStream::pair().unwrap();
        let upto = hand_over(&shim, &path);
        let feed = connected(ours).await.1;
        let feed = Feed::start(Some(feed), futures::stream::empty(), &TaskTracker::new());
        let query = LogQuery { until: at(30), ..all() };
        let bytes: Vec<Bytes> = follow(path, query, upto, feed).try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"line 1\n");
    }
}
