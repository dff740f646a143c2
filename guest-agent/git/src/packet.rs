//! Packets: a length in four digits, and that much less four bytes.

use std::io::{self, Read};

use crate::error::GitError;
use crate::object::ObjectId;

/// One packet of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// It ends.
    Flush,
    /// What follows is of another kind.
    Delimiter,
    /// Some bytes.
    Data(Vec<u8>),
}

/// Reads a packet; none at the end.
pub(crate) fn read(reader: &mut impl Read) -> Result<Option<Packet>, GitError> {
    const BROKEN: GitError = GitError::Broken("a packet's length is none");
    let mut digits = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut digits).map_err(GitError::Read)?;
    if digits.is_empty() {
        return Ok(None);
    }
    let text = str::from_utf8(&digits).ok().filter(|text| text.len() == 4).ok_or(BROKEN)?;
    let length = u16::from_str_radix(text, 16).map_err(|_| BROKEN)?;
    let length = match length {
        0 => return Ok(Some(Packet::Flush)),
        1 => return Ok(Some(Packet::Delimiter)),
        2 | 3 => return Err(GitError::Broken("a packet of an unknown kind")),
        length => usize::from(length - 4),
    };
    let mut data = vec![0; length];
    reader.read_exact(&mut data).map_err(GitError::Read)?;
    Ok(Some(Packet::Data(data)))
}

/// Appends a line as a packet.
pub(crate) fn push(request: &mut Vec<u8>, line: &str) {
    request.extend(format!("{:04x}{line}\n", line.len() + 5).into_bytes());
}

pub(crate) const DELIMITER: &[u8] = b"0001";
pub(crate) const FLUSH: &[u8] = b"0000";

/// A packet's text, without the end of its line.
pub(crate) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data.strip_suffix(b"\n").unwrap_or(data)).into_owned()
}

/// Asks for what these commits are, without what was before them.
pub fn fetch_request(wanted: &[ObjectId]) -> Vec<u8> {
    let mut request = Vec::new();
    push(&mut request, "command=fetch");
    push(&mut request, "object-format=sha1");
    request.extend_from_slice(DELIMITER);
    for line in ["no-progress", "ofs-delta", "deepen 1"] {
        push(&mut request, line);
    }
    for id in wanted {
        push(&mut request, &format!("want {id}"));
    }
    push(&mut request, "done");
    request.extend_from_slice(FLUSH);
    request
}

/// Reads the pack out of the answer to a [`fetch_request`].
#[derive(Debug)]
pub struct PackReader<R> {
    reader: R,
    packet: Vec<u8>,
    /// What of the packet was read.
    read: usize,
    has_ended: bool,
}

impl<R: Read> PackReader<R> {
    /// Reads up to where the pack begins.
    pub fn new(mut reader: R) -> Result<Self, GitError> {
        loop {
            match read(&mut reader)? {
                Some(Packet::Data(data)) if text(&data) == "packfile" => break,
                Some(Packet::Data(data)) => {
                    if let Some(message) = text(&data).strip_prefix("ERR ") {
                        return Err(GitError::Refused(printable(message)));
                    }
                }
                Some(Packet::Delimiter) => {}
                Some(Packet::Flush) | None => return Err(GitError::Broken("it has no pack")),
            }
        }
        Ok(Self { reader, packet: Vec::new(), read: 0, has_ended: false })
    }

    fn next_packet(&mut self) -> Result<(), GitError> {
        match read(&mut self.reader)? {
            Some(Packet::Data(data)) => match data.split_first() {
                Some((1, _)) => (self.packet, self.read) = (data, 1),
                // Progress.
                Some((2, _)) => {}
                Some((3, message)) => return Err(GitError::Refused(printable(&text(message)))),
                _ => return Err(GitError::Broken("a packet of an unknown band")),
            },
            Some(Packet::Flush) => self.has_ended = true,
            Some(Packet::Delimiter) | None => return Err(GitError::Broken("the pack is cut off")),
        }
        Ok(())
    }
}

impl<R: Read> Read for PackReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.packet.len() && !self.has_ended {
            self.next_packet().map_err(|error| match error {
                GitError::Read(error) => error,
                error => io::Error::other(error),
            })?;
        }
        let rest = &self.packet[self.read..];
        let count = buffer.len().min(rest.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

/// What a server says, without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(data: &[u8]) -> Vec<u8> {
        [format!("{:04x}", data.len() + 4).as_bytes(), data].concat()
    }

    #[test]
    fn a_pack_is_taken_out_of_its_band() {
        let answer = [
            packet(b"shallow-info\n"),
            packet(b"shallow 4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            DELIMITER.to_vec(),
            packet(b"packfile\n"),
            packet(b"\x01PA"),
            packet(b"\x02 50%\r"),
            packet(b"\x01"),
            packet(b"\x01CK"),
            FLUSH.to_vec(),
        ]
        .concat();
        let reader = PackReader::new(answer.as_slice()).unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "PACK");
        let cut = PackReader::new(&answer[..answer.len() - 4]).unwrap();
        io::read_to_string(cut).unwrap_err();
    }

    #[test]
    fn what_a_server_refuses_it_says() {
        let refused = packet(b"ERR upload-pack: not our ref\x1b[2J\n");
        let error = PackReader::new(refused.as_slice()).unwrap_err();
        assert_eq!(error.to_string(), "the server says: upload-pack: not our ref[2J");
        let answer = [packet(b"packfile\n"), packet(b"\x03out of memory\n")].concat();
        let reader = PackReader::new(answer.as_slice()).unwrap();
        assert!(io::read_to_string(reader).unwrap_err().to_string().contains("out of memory"));
        for broken in [&b"00"[..], b"zzzz", b"0003", b"0010abc", b"0000", b""] {
            PackReader::new(broken).unwrap_err();
        }
    }

    #[test]
    fn a_request_says_what_is_wanted() {
        let id = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap();
        let request = String::from_utf8(fetch_request(&[id])).unwrap();
        assert!(request.starts_with("0012command=fetch\n"), "{request}");
        assert!(
            request.contains("0032want 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"),
            "{request}"
        );
        assert!(request.ends_with("0009done\n0000"), "{request}");
    }
}
