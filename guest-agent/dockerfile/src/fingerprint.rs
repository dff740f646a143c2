//! What files are, in 32 bytes: two trees with the same fingerprint are the same to a build.
//!
//! A fingerprint covers names, kinds, modes, owners, extended attributes and contents. It does not
//! cover time stamps: a file that was only touched is the same file. Hard links are files each.
//! A directory's fingerprint is made of those of what is in it, so that a part of a tree has one
//! of its own, and a change is found by going down one path.
//!
//! What is hashed is a sequence of byte strings, each with its length before it, so that no two
//! different things are the same bytes; the first names what it is and the version of this
//! definition. Fingerprints are kept on disk: whoever changes the definition changes the names.

use std::fmt::{Debug, Display, Formatter, Result};

use sha2::{Digest as _, Sha256};

/// What something is, in 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a file's content, or of anything else that is bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// One that was made before: the SHA-256 of a file's content that was hashed as it was read.
    pub fn from_sha256(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// That of a file with all that it has.
    pub fn of_file(attributes: &Attributes<'_>, content: Content<'_>) -> Self {
        let mut encoder = Encoder::new("naru file 1");
        encoder.number(attributes.mode.into());
        encoder.number(attributes.uid.into());
        encoder.number(attributes.gid.into());
        let mut xattrs = attributes.xattrs.to_vec();
        xattrs.sort_unstable();
        encoder.count(xattrs.len());
        for (name, value) in xattrs {
            encoder.bytes(name);
            encoder.bytes(value);
        }
        match content {
            Content::File(content) => {
                encoder.text("file");
                encoder.fingerprint(&content);
            }
            Content::Directory(entries) => {
                encoder.text("directory");
                let mut entries = entries.to_vec();
                entries.sort_unstable();
                encoder.count(entries.len());
                for (name, entry) in entries {
                    encoder.bytes(name);
                    encoder.fingerprint(&entry);
                }
            }
            Content::Link(target) => {
                encoder.text("link");
                encoder.bytes(target);
            }
            Content::Device { is_block, major, minor } => {
                encoder.text(if is_block { "block device" } else { "character device" });
                encoder.number(major.into());
                encoder.number(minor.into());
            }
            Content::Pipe => encoder.text("pipe"),
        }
        encoder.finish()
    }
}

impl Display for Fingerprint {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Debug for Fingerprint {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        Display::fmt(self, formatter)
    }
}

/// What a file has beside its content. What is copied out of a context belongs to root there, as
/// in Docker, whoever it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// The permissions, without the kind.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Extended attributes, in any order.
    pub xattrs: &'a [(&'a [u8], &'a [u8])],
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A file, by the fingerprint of its bytes.
    File(Fingerprint),
    /// A directory, by the names and fingerprints of what is in it, in any order.
    Directory(&'a [(&'a [u8], Fingerprint)]),
    /// A symbolic link, by where it leads.
    Link(&'a [u8]),
    /// A device.
    Device {
        /// Whether it is one of blocks.
        is_block: bool,
        /// Its driver.
        major: u32,
        /// Which of those.
        minor: u32,
    },
    /// A named pipe.
    Pipe,
}

/// Byte strings, each with its length before it.
#[derive(Debug)]
pub(crate) struct Encoder(Sha256);

impl Encoder {
    /// `name` tells this kind of thing from all others.
    pub(crate) fn new(name: &str) -> Self {
        let mut encoder = Self(Sha256::new());
        encoder.text(name);
        encoder
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn texts<T: AsRef<str>>(&mut self, texts: &[T]) {
        self.count(texts.len());
        for text in texts {
            self.text(text.as_ref());
        }
    }

    /// Nothing is something else than an empty text.
    pub(crate) fn optional(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    pub(crate) fn fingerprint(&mut self, fingerprint: &Fingerprint) {
        self.bytes(&fingerprint.0);
    }

    pub(crate) fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(attributes: Attributes<'_>, content: &str) -> Fingerprint {
        Fingerprint::of_file(&attributes, Content::File(Fingerprint::of_bytes(content.as_bytes())))
    }

    fn directory(entries: &[(&[u8], Fingerprint)]) -> Fingerprint {
        Fingerprint::of_file(&Attributes::default(), Content::Directory(entries))
    }

    #[test]
    fn whatever_is_different_has_another_fingerprint() {
        let plain = Attributes::default();
        let (a, b) = (file(plain, "a"), file(plain, "b"));
        let attributes: &[(&[u8], &[u8])] = &[(b"user.x", b"1")];
        let others: &[(&[u8], &[u8])] = &[(b"user.", b"x1")];
        let device = |is_block, minor| Content::Device { is_block, major: 1, minor };
        let all = [
            a,
            b,
            file(Attributes { mode: 1, ..plain }, "a"),
            file(Attributes { uid: 1, ..plain }, "a"),
            file(Attributes { gid: 1, ..plain }, "a"),
            file(Attributes { xattrs: attributes, ..plain }, "a"),
            file(Attributes { xattrs: others, ..plain }, "a"),
            directory(&[]),
            directory(&[(b"x", a)]),
            directory(&[(b"y", a)]),
            directory(&[(b"x", b)]),
            directory(&[(b"x", a), (b"y", b)]),
            directory(&[(b"x", b), (b"y", a)]),
            directory(&[(b"x", directory(&[(b"y", a)]))]),
            Fingerprint::of_file(&plain, Content::Link(b"a")),
            Fingerprint::of_file(&plain, device(true, 2)),
            Fingerprint::of_file(&plain, device(false, 2)),
            Fingerprint::of_file(&plain, device(false, 3)),
            Fingerprint::of_file(&plain, Content::Pipe),
        ];
        for (number, one) in all.iter().enumerate() {
            assert!(!all[number + 1..].contains(one), "number {number} is there again");
        }
    }

    #[test]
    fn the_order_in_which_things_are_found_does_not_matter() {
        let plain = Attributes::default();
        let (a, b) = (file(plain, "a"), file(plain, "b"));
        assert_eq!(directory(&[(b"x", a), (b"y", b)]), directory(&[(b"y", b), (b"x", a)]));
        let one: &[(&[u8], &[u8])] = &[(b"user.a", b"1"), (b"user.b", b"2")];
        let other: &[(&[u8], &[u8])] = &[(b"user.b", b"2"), (b"user.a", b"1")];
        let with = |xattrs| file(Attributes { xattrs, ..plain }, "");
        assert_eq!(with(one), with(other));
    }

    #[test]
    fn the_definition_stays_as_it_is() {
        let empty = Fingerprint::of_bytes(b"");
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(empty.to_string(), sha256);
        assert_eq!(Fingerprint::from_sha256(*empty.as_bytes()), empty);
        let attributes = Attributes { mode: 0o755, uid: 1, gid: 2, xattrs: &[(b"user.x", b"y")] };
        let tree = Content::Directory(&[(b"a", empty)]);
        let fingerprint = Fingerprint::of_file(&attributes, tree).to_string();
        assert_eq!(fingerprint, "d5fa3dfdfc73c1af51a1ea8a675aaa7edf5496e08a6b06ff21b7cad0f8f7de93");
    }
}
