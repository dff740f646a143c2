//! Writes a tar archive: POSIX headers, with PAX records for what does not fit into them.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

use tar::{EntryType, Header};

use super::attributes::Attributes;
use super::sparse::Part;

const BLOCK: usize = 512;
const COPY_BUFFER: usize = 64 << 10;
/// What eleven and seven octal digits hold.
const SIZE_MAX: u64 = 0o777_7777_7777;
const ID_MAX: u32 = 0o777_7777;
/// What a file with holes is called for who does not know of holes.
const SPARSE_NAME: &[u8] = b"GNUSparseFile.0/file";

/// One member, before its content.
#[derive(Debug)]
pub(super) struct TarMember<'a> {
    pub(super) kind: EntryType,
    pub(super) name: &'a [u8],
    /// Where a link leads.
    pub(super) link: &'a [u8],
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) size: u64,
    /// How large a file with holes is; `size` is then what the archive has of it.
    pub(super) real_size: Option<u64>,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// A device's major and minor number.
    pub(super) device: (u32, u32),
    pub(super) attributes: &'a Attributes,
}

/// The archive being written.
#[derive(Debug)]
pub(super) struct TarWriter<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, buffer: vec![0; COPY_BUFFER] }
    }

    /// Begins a member; a file's content must follow.
    pub(super) fn begin(&mut self, member: &TarMember<'_>) -> io::Result<()> {
        let records = records(member);
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::XHeader);
            put(&mut header.as_old_mut().name, b"PaxHeaders.0/member");
            header.set_mode(0o644);
            header.set_size(records.len() as u64);
            header.set_cksum();
            self.out.write_all(header.as_bytes())?;
            self.out.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(member.kind);
        let name = member.real_size.map_or(member.name, |_| SPARSE_NAME);
        put(&mut header.as_old_mut().name, name);
        put(&mut header.as_old_mut().linkname, member.link);
        header.set_mode(member.mode);
        header.set_uid(member.owner.0.min(ID_MAX).into());
        header.set_gid(member.owner.1.min(ID_MAX).into());
        header.set_size(member.size.min(SIZE_MAX));
        header.set_mtime(u64::try_from(member.mtime).unwrap_or(0).min(SIZE_MAX));
        header.set_device_major(member.device.0)?;
        header.set_device_minor(member.device.1)?;
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    /// Writes the `size` bytes that the member was announced with: a file that has become
    /// shorter is filled up, one that has become longer is cut.
    pub(super) fn content(&mut self, file: &mut impl Read, size: u64) -> io::Result<()> {
        self.bytes(file, size)?;
        self.pad(size)
    }

    /// Adds a file of which only `parts` are not zeros, as GNU tar does (PAX, version 1.0): before
    /// the content stands where its parts go.
    pub(super) fn sparse(
        &mut self,
        member: &TarMember<'_>,
        file: &mut File,
        parts: &[Part],
    ) -> io::Result<()> {
        let map = map(parts, member.size);
        let stored = parts.iter().map(|part| part.length).sum::<u64>() + map.len() as u64;
        self.begin(&TarMember { size: stored, real_size: Some(member.size), ..*member })?;
        self.out.write_all(&map)?;
        for part in parts {
            file.seek(SeekFrom::Start(part.offset))?;
            self.bytes(file, part.length)?;
        }
        self.pad(stored)
    }

    fn bytes(&mut self, file: &mut impl Read, size: u64) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let most = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match file.read(&mut self.buffer[..most]) {
                Ok(0) => {
                    self.buffer[..most].fill(0);
                    most
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.out.write_all(&self.buffer[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()
    }

    fn pad(&mut self, written: u64) -> io::Result<()> {
        let padding = usize::try_from(written.wrapping_neg() % BLOCK as u64).unwrap_or(0);
        self.out.write_all(&[0; BLOCK][..padding])
    }
}

/// Fills a field that need not end with a zero; what does not fit is in a record.
fn put(field: &mut [u8], value: &[u8]) {
    let length = field.len().min(value.len());
    field[..length].copy_from_slice(&value[..length]);
}

/// The PAX records of what the header has no room for.
fn records(member: &TarMember<'_>) -> Vec<u8> {
    const NAME_MAX: usize = 100;
    let mut records = Vec::new();
    if let Some(size) = member.real_size {
        record(&mut records, b"GNU.sparse.major", b"1");
        record(&mut records, b"GNU.sparse.minor", b"0");
        record(&mut records, b"GNU.sparse.name", member.name);
        record(&mut records, b"GNU.sparse.realsize", size.to_string().as_bytes());
    } else if member.name.len() > NAME_MAX {
        record(&mut records, b"path", member.name);
    }
    if member.link.len() > NAME_MAX {
        record(&mut records, b"linkpath", member.link);
    }
    if member.size > SIZE_MAX {
        record(&mut records, b"size", member.size.to_string().as_bytes());
    }
    for (key, id) in [(&b"uid"[..], member.owner.0), (b"gid", member.owner.1)] {
        if id > ID_MAX {
            record(&mut records, key, id.to_string().as_bytes());
        }
    }
    if member.mtime < 0 || member.mtime.unsigned_abs() > SIZE_MAX {
        record(&mut records, b"mtime", member.mtime.to_string().as_bytes());
    }
    for (name, value) in member.attributes {
        record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records
}

/// Decimal lines, a count and then pairs, padded to whole blocks. The last part says how long the
/// file is.
fn map(parts: &[Part], size: u64) -> Vec<u8> {
    let end = Part { offset: size, length: 0 };
    let mut map = format!("{}\n", parts.len() + 1).into_bytes();
    for Part { offset, length } in parts.iter().chain([&end]) {
        map.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// `length key=value\n`, where the length counts its own digits too.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use naru_image_store::{Kind, Tape};

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let long = "d/".repeat(90) + "file";
        let attributes = vec![(b"user.note".to_vec(), b"a=b\nc\0d".to_vec())];
        let member = TarMember {
            kind: EntryType::Regular,
            name: long.as_bytes(),
            link: b"",
            mode: 0o4755,
            owner: (3_000_000, 7),
            size: 5,
            real_size: None,
            mtime: -5,
            device: (0, 0),
            attributes: &attributes,
        };
        let mut archive = Vec::new();
        let mut writer = TarWriter::new(&mut archive);
        writer.begin(&member).unwrap();
        writer.content(&mut &b"abc"[..], 5).unwrap();
        writer.finish().unwrap();

        assert_eq!(archive.len() % 512, 0);
        let mut tape = Tape::new(archive.as_slice());
        let read = tape.next_member().unwrap().unwrap();
        assert_eq!(read.name, long.as_bytes());
        assert_eq!((read.kind, read.mode), (Kind::File, 0o4755));
        assert_eq!((read.uid, read.gid, read.mtime), (3_000_000, 7, (-5, 0)));
        assert_eq!(read.xattrs, attributes);
        let mut content = Vec::new();
        tape.read_to_end(&mut content).unwrap();
        assert_eq!(content, b"abc\0\0", "a file that shrank is filled up");
        assert!(tape.next_member().unwrap().is_none());
    }

    #[test]
    fn a_records_length_counts_its_own_digits() {
        for (length, expected) in [(1, "6 k=v\n".len()), (92, 98), (93, 99), (94, 101)] {
            let mut records = Vec::new();
            record(&mut records, b"k", &b"v".repeat(length));
            assert_eq!(records.len(), expected);
            assert!(records.starts_with(format!("{expected} k=").as_bytes()));
        }
    }
}
