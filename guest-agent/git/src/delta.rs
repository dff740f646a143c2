//! Objects that are told by how they differ from another one.

/// Makes an object of its base and a delta; none if that makes no sense, or more than `most`
/// bytes.
pub(crate) fn apply(base: &[u8], delta: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut rest = delta;
    if size(&mut rest)? != base.len() as u64 {
        return None;
    }
    let length = size(&mut rest).filter(|length| *length <= most)?;
    let mut made = Vec::new();
    while let Some(operation) = byte(&mut rest) {
        if operation & 0x80 == 0 {
            let (new, after) = rest.split_at_checked(usize::from(operation))?;
            // 0 is kept for later.
            if new.is_empty() {
                return None;
            }
            made.extend_from_slice(new);
            rest = after;
        } else {
            let offset = number(&mut rest, operation, 4)?;
            let count = number(&mut rest, operation >> 4, 3)?;
            let count = if count == 0 { 0x1_0000 } else { count };
            made.extend_from_slice(base.get(offset..offset.checked_add(count)?)?);
        }
        if made.len() as u64 > length {
            return None;
        }
    }
    (made.len() as u64 == length).then_some(made)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// A number in groups of seven bits, the lowest first.
fn size(rest: &mut &[u8]) -> Option<u64> {
    let (mut size, mut shift) = (0_u64, 0_u32);
    loop {
        let next = byte(rest)?;
        if shift > 56 {
            return None;
        }
        size |= u64::from(next & 0x7f) << shift;
        shift += 7;
        if next & 0x80 == 0 {
            return Some(size);
        }
    }
}

/// A number of whose bytes only those are there that a bit is set for.
fn number(rest: &mut &[u8], there: u8, bytes: u32) -> Option<usize> {
    let mut number = 0;
    for place in 0..bytes {
        if there & (1 << place) != 0 {
            number |= usize::from(byte(rest)?) << (8 * place);
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 1 << 20;

    #[test]
    fn parts_are_copied_and_added() {
        // "lo w" of the base, then "!".
        let delta = [11, 5, 0b1001_0001, 3, 4, 1, b'!'];
        assert_eq!(apply(b"hello world", &delta, MOST).unwrap(), b"lo w!");
        let long = vec![7; 0x1_0000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0b1000_0000];
        assert_eq!(apply(&long, &delta, MOST).unwrap(), long);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for delta in [
            &[][..],
            &[10, 1, 1, b'x'],
            &[11, 2, 1, b'x'],
            &[11, 1, 2, b'x'],
            &[11, 1, 0],
            &[11, 9, 0b1001_0001, 3, 9],
            &[11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[11, 1, 0b1001_0001],
        ] {
            assert_eq!(apply(b"hello world", delta, MOST), None, "{delta:?}");
        }
        assert_eq!(apply(b"hello world", &[11, 5, 0b1001_0001, 3, 4, 1, b'!'], 4), None);
    }
}
