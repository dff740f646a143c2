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

    /// Bytes as registers hold them.
    pub(crate) fn data(&mut self, kind: u16, value: &[u8]) {
        const VALUE: u16 = 1;
        self.nest(kind, |data| data.attribute(VALUE, |bytes| bytes.extend_from_slice(value)));
    }

    /// Attributes within an attribute.
    pub(crate) fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Attributes<'_>)) {
        const NESTED: u16 = 0x8000;
        self.attribute(kind | NESTED, |bytes| write(&mut Attributes::new(bytes)));
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
