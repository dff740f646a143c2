//! The last that a program has written.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// As much as is shown of a program that has failed.
const LINES: usize = 10;
const BYTES: usize = 8 << 10;

/// Keeps the end of an output.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&bytes[bytes.len().saturating_sub(BYTES)..]);
        let excess = kept.len().saturating_sub(BYTES);
        kept.drain(..excess);
    }

    /// The last lines.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_however_much_comes() {
        let tail = Tail::default();
        for number in 0..5_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), LINES);
        assert!(text.ends_with("line 4999"), "{text}");
        tail.push(&vec![b'x'; 3 * BYTES]);
        assert_eq!(tail.text().len(), BYTES);
    }
}
