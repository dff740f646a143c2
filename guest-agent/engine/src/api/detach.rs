//! The keys that leave a terminal: typed in a row they end the connection, not the process.

use super::error::ApiError;

/// Docker's: Ctrl-P, Ctrl-Q.
const DEFAULT: [u8; 2] = [16, 17];

/// A sequence of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q` or `a,b`; nothing means Docker's own.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Ok(Self(DEFAULT.to_vec()));
        }
        let keys = text.split(',').map(key).collect::<Option<_>>();
        let invalid = || ApiError::invalid(format!("Invalid detach keys ({text}) provided"));
        keys.map(Self).ok_or_else(invalid)
    }

    pub(super) fn watcher(&self) -> Watcher<'_> {
        Watcher { keys: &self.0, typed: 0 }
    }
}

fn key(name: &str) -> Option<u8> {
    match (name.as_bytes(), name.strip_prefix("ctrl-").map(str::as_bytes)) {
        (_, Some([letter @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_')])) => {
            Some(letter.to_ascii_uppercase() - b'@')
        }
        ([byte], _) => Some(*byte),
        _ => None,
    }
}

/// Looks for the keys in what a client types.
#[derive(Debug)]
pub(super) struct Watcher<'a> {
    keys: &'a [u8],
    /// How many of them were typed, and are kept back.
    typed: usize,
}

impl Watcher<'_> {
    /// Puts into `output` what the process gets of `input`. Whether the keys were typed.
    pub(super) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> bool {
        for byte in input {
            if self.keys.get(self.typed) != Some(byte) {
                output.extend_from_slice(&self.keys[..self.typed]);
                self.typed = 0;
            }
            if self.keys.get(self.typed) == Some(byte) {
                self.typed += 1;
            } else {
                output.push(*byte);
            }
            if self.typed == self.keys.len() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_dockers_names() {
        let keys = |text| DetachKeys::parse(text).map(|keys| keys.0);
        assert_eq!(keys("").unwrap(), [16, 17]);
        assert_eq!(keys("ctrl-a,x,ctrl-],ctrl-@").unwrap(), [1, b'x', 29, 0]);
        for text in ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-pq"] {
            let message = format!("Invalid detach keys ({text}) provided");
            assert_eq!(keys(text).unwrap_err().message(), message);
        }
    }

    #[test]
    fn only_the_whole_sequence_detaches_and_nothing_else_is_lost() {
        let keys = DetachKeys::parse("").unwrap();
        for (typed, expected, detaches) in [
            (&[&b"abc"[..]][..], &b"abc"[..], false),
            (&[b"a\x10", b"\x11b"], b"a", true),
            (&[b"a\x10b\x11"], b"a\x10b\x11", false),
            (&[b"\x10\x10", b"\x11"], b"\x10", true),
            (&[b"\x10"], b"", false),
        ] {
            let (mut watcher, mut output) = (keys.watcher(), Vec::new());
            let detached = typed.iter().any(|input| watcher.feed(input, &mut output));
            assert_eq!((output.as_slice(), detached), (expected, detaches), "{typed:?}");
        }
    }
}
