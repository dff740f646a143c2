//! Reading on where an earlier attempt has stopped.

use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use super::Partial;
use crate::stream::given_up;

/// Reads what had come of a blob, then the rest, which it writes down.
#[derive(Debug)]
pub(crate) struct Resumed<R> {
    rest: R,
    /// Whether nobody waits for it any more.
    given_up: fn(&R) -> bool,
    partial: Option<Partial>,
    offset: u64,
    /// Whether the rest does not come.
    cut: bool,
}

impl<R> Resumed<R> {
    /// Ends what had come, too, when the rest is `given_up`: who asks for the blob next waits for
    /// this one's end.
    pub(crate) fn new(partial: Option<Partial>, rest: R, given_up: fn(&R) -> bool) -> Self {
        Self { rest, given_up, partial, offset: 0, cut: false }
    }
}

impl<R: Read> Resumed<R> {
    fn read_kept(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(partial) = &self.partial else { return Ok(0) };
        let left = partial.length.saturating_sub(self.offset);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        partial.file.read_at(&mut buffer[..most], self.offset)
    }

    /// Writes down what comes next. Without that the pull goes on as well.
    fn keep(&mut self, bytes: &[u8]) {
        if let Some(partial) = &self.partial
            && let Err(error) = partial.file.write_all_at(bytes, self.offset)
        {
            tracing::warn!(path = %partial.path.display(), %error, "a blob is not kept");
            partial.forget();
            self.partial = None;
        }
    }
}

impl<R: Read> Read for Resumed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.read_kept(buffer)?;
        if count > 0 && (self.given_up)(&self.rest) {
            self.cut = true;
            return Err(given_up());
        }
        if count == 0 {
            count = self.rest.read(buffer).inspect_err(|_| self.cut = true)?;
            self.keep(&buffer[..count]);
        }
        self.offset += count as u64;
        Ok(count)
    }
}

impl<R> Drop for Resumed<R> {
    /// Only what is worth going on with stays: what was cut, or was not even looked at.
    fn drop(&mut self) {
        let Some(partial) = self.partial.take() else { return };
        let (begun, cut) = (self.offset > 0, self.cut);
        if (begun && !cut) || (!begun && partial.length == 0) {
            partial.forget();
        }
    }
}
