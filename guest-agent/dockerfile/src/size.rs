//! Sizes as Docker's clients write them.

/// Reads `64m`, `1.5GiB`, `1024` as bytes; a unit is a power of 1024.
pub(crate) fn bytes(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = text.split_at(end);
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    // More digits than these are less than a byte of a petabyte.
    let fraction = fraction.get(..16).unwrap_or(fraction);
    let digits: u128 = format!("{integer}{fraction}").parse().ok()?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    i64::try_from(digits.checked_mul(1 << (10 * power))? / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, expected) in [
            ("1024", Some(1024)),
            ("64m", Some(64 << 20)),
            ("1.5GiB", Some(3 << 29)),
            ("2 kb", Some(2048)),
            ("0", Some(0)),
            (".5k", Some(512)),
            ("", None),
            ("-1", None),
            ("m", None),
            ("1x", None),
            ("1.2.3", None),
            ("9999999p", None),
            (&"9".repeat(99), None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
