//! Just enough of ELF to read a section of a kernel module (64-bit, little-endian).

/// The content of the first section of that name.
pub(crate) fn section<'file>(file: &'file [u8], name: &str) -> Option<&'file [u8]> {
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(number::<8>(file, 0x28)?).ok()?;
    let entry_size = usize::try_from(number::<2>(file, 0x3A)?).ok()?;
    let count = usize::try_from(number::<2>(file, 0x3C)?).ok()?;
    let names_index = usize::try_from(number::<2>(file, 0x3E)?).ok()?;
    let header = |index: usize| file.get(table + index * entry_size..);
    let content = |index: usize| {
        let header = header(index)?;
        let offset = usize::try_from(number::<8>(header, 0x18)?).ok()?;
        let size = usize::try_from(number::<8>(header, 0x20)?).ok()?;
        file.get(offset..offset.checked_add(size)?)
    };
    let names = content(names_index)?;
    let index = (0..count).find(|&index| {
        let start = header(index).and_then(|header| number::<4>(header, 0));
        let start = start.and_then(|start| usize::try_from(start).ok());
        let found = start.and_then(|start| names.get(start..));
        found.is_some_and(|text| text.split(|&byte| byte == 0).next() == Some(name.as_bytes()))
    })?;
    content(index)
}

/// A little-endian number of `LENGTH` bytes.
fn number<const LENGTH: usize>(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..offset.checked_add(LENGTH)?)?;
    Some(field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sections: the names at 0x40, and `.modinfo` with `x=1` at 0x60; table at 0x80.
    fn sample() -> Vec<u8> {
        let mut file = vec![0; 0x80 + 2 * 0x40];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x28] = 0x80;
        file[0x3A] = 0x40;
        file[0x3C] = 2;
        file[0x40..0x52].copy_from_slice(b"\0.names\0.modinfo\0\0");
        file[0x60..0x63].copy_from_slice(b"x=1");
        for (header, [name, offset, size]) in [(0x80, [1, 0x40, 18]), (0xC0, [8, 0x60, 3])] {
            file[header] = name;
            file[header + 0x18] = offset;
            file[header + 0x20] = size;
        }
        file
    }

    #[test]
    fn a_section_is_found_by_its_name() {
        assert_eq!(section(&sample(), ".modinfo"), Some(&b"x=1"[..]));
        assert_eq!(section(&sample(), ".text"), None);
    }

    #[test]
    fn cut_and_other_files_have_no_sections() {
        assert_eq!(section(&sample()[..0x90], ".modinfo"), None);
        assert_eq!(section(b"MZ", ".modinfo"), None);
    }
}
