//! Netlink attributes: length, type and value, one after the other or nested.

/// Writes netlink attributes: length, type, value, each padded to 4 bytes.
#[derive(Debug)]
pub(crate) struct Attributes<'a>(&'a mut Vec<u8>);

impl<'a> Attributes<'a> {
    /// Writes to the end of `bytes`.
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A number, big-endian as everywhere in nftables.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, |bytes| bytes.extend_from_slice(&value.to_be_bytes()));
    }

    /// A text with its terminating zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |bytes| {
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        });
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |bytes| bytes.extend_from_slice(value));
    }

    /// Bytes as registers hold them.
    pub(crate) fn data(&mut self, kind: u16, value: &[u8]) {
        const VALUE: u16 = 1;
        self.nest(kind, |data| data.bytes(VALUE, value));
    }

    /// Attributes within an attribute.
    pub(crate) fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Attributes<'_>)) {
        const NESTED: u16 = 0x8000;
        self.attribute(kind | NESTED, |bytes| write(&mut Attributes::new(bytes)));
    }

    /// Attributes that were written already, within an attribute.
    pub(crate) fn nest_bytes(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |nested| nested.0.extend_from_slice(value));
    }

    fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        write(self.0);
        // A longer one cannot be expressed; the kernel refuses the cut length.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.0.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// The value of the first attribute of this kind. What is cut short is not there.
pub(crate) fn find(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    /// The upper two bits say of a kind how its value is written.
    const KIND: u16 = 0x3fff;
    loop {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let found = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & KIND;
        let value = bytes.get(4..length)?;
        if found == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found() {
        let mut bytes = Vec::new();
        let mut attributes = Attributes::new(&mut bytes);
        attributes.number(1, 7);
        attributes.nest(2, |nested| nested.bytes(3, &[1, 2, 3]));
        assert_eq!(find(&bytes, 1), Some([0, 0, 0, 7].as_slice()));
        assert_eq!(find(find(&bytes, 2).unwrap(), 3), Some([1, 2, 3].as_slice()));
        assert_eq!(find(&bytes, 3), None);
    }

    #[test]
    fn attribute_that_is_cut_short_or_claims_no_length_ends_the_search() {
        for bytes in [&[][..], &[8, 0], &[8, 0, 1, 0, 1], &[0; 64], &[3, 0, 1, 0]] {
            assert_eq!(find(bytes, 1), None, "{bytes:?}");
        }
    }
}
