//! Numbers of bytes, as people write them.

/// `10m`, `1g`, `500k`, or bytes; decimal, as Docker's log drivers read sizes.
pub(crate) fn size_bytes(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(['b', 'B']);
    let (number, unit) = match text.chars().last()?.to_ascii_lowercase() {
        'k' => (&text[..text.len() - 1], 1_000),
        'm' => (&text[..text.len() - 1], 1_000_000),
        'g' => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(size_bytes("10m"), Some(10_000_000));
        assert_eq!(size_bytes("1gb"), Some(1_000_000_000));
        assert_eq!(size_bytes("512"), Some(512));
        assert_eq!(size_bytes("x"), None);
        assert_eq!(size_bytes(""), None);
    }
}
