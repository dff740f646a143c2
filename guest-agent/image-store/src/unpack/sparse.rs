//! Files with holes, as GNU tar stores them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

use super::error::UnpackError;
use super::tape::number;
use crate::record::{MAX_SEGMENTS, Segment};

const TOO_MANY: UnpackError = UnpackError::Tar { reason: "a sparse file has too many parts" };

/// Where the stored bytes of a file with holes go.
#[derive(Debug)]
pub(crate) struct Sparse {
    pub(super) segments: Vec<Segment>,
    pub(super) real_size: u64,
}

impl Sparse {
    /// Refuses parts that overlap, go backwards or reach beyond the file's end.
    pub(super) fn new(segments: Vec<Segment>, real_size: u64) -> Result<Self, UnpackError> {
        if segments.len() > MAX_SEGMENTS {
            return Err(TOO_MANY);
        }
        let mut end = 0;
        for segment in &segments {
            let next = segment.offset.checked_add(segment.length);
            match next {
                Some(next) if segment.offset >= end && next <= real_size => end = next,
                _ => return Err(UnpackError::Tar { reason: "a sparse file's map is broken" }),
            }
        }
        Ok(Self { segments, real_size })
    }

    /// The old GNU form: four parts in the header, more in blocks that follow it.
    pub(super) fn from_gnu(
        header: &GnuHeader,
        reader: &mut impl Read,
    ) -> Result<Self, UnpackError> {
        let mut segments = Vec::new();
        add(&header.sparse, &mut segments)?;
        let mut more = header.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            reader.read_exact(block.as_mut_bytes()).map_err(UnpackError::Read)?;
            add(block.sparse(), &mut segments)?;
            more = block.is_extended();
            if segments.len() > MAX_SEGMENTS {
                return Err(TOO_MANY);
            }
        }
        Self::new(segments, number(&header.realsize)?)
    }

    /// Writes the parts that `content` brings to their places; the rest stays a hole.
    pub(super) fn write(&self, content: &mut impl Read, file: &mut File) -> io::Result<()> {
        for segment in &self.segments {
            file.seek(SeekFrom::Start(segment.offset))?;
            let copied = io::copy(&mut content.by_ref().take(segment.length), file)?;
            if copied < segment.length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        file.set_len(self.real_size)
    }
}

fn add(headers: &[GnuSparseHeader], segments: &mut Vec<Segment>) -> Result<(), UnpackError> {
    for header in headers.iter().filter(|header| !header.is_empty()) {
        let (offset, length) = (number(&header.offset)?, number(&header.numbytes)?);
        segments.push(Segment { offset, length });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_overlaps_or_overreaches_is_refused() {
        let part = |offset, length| Segment { offset, length };
        Sparse::new(vec![part(0, 4), part(8, 2)], 10).expect("in order");
        Sparse::new(vec![part(0, 4), part(3, 2)], 10).expect_err("broken");
        Sparse::new(vec![part(8, 4)], 10).expect_err("broken");
        Sparse::new(vec![part(u64::MAX, 2)], u64::MAX).expect_err("broken");
    }
}
