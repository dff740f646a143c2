//! Durations as Go writes them, and Docker's clients with it: numbers, each with its unit.

use crate::error::Problem;

/// Reads `24h`, `1h30m`, `-1.5s` as nanoseconds.
pub fn duration(text: &str) -> Result<i64, Problem> {
    let invalid = || Problem::Duration(format!("invalid duration {text:?}"));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits == "0" {
        return Ok(0);
    }
    if digits.is_empty() {
        return Err(invalid());
    }
    let mut rest = digits;
    let mut whole: i128 = 0;
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let unit_at = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(is_number).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
        if integer.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(invalid());
        }
        let nanoseconds: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(Problem::Duration(format!("missing unit in duration {text:?}"))),
            _ => {
                let message = format!("unknown unit {unit:?} in duration {text:?}");
                return Err(Problem::Duration(message));
            }
        };
        // More digits than these are less than a nanosecond of an hour.
        let fraction = fraction.get(..15).unwrap_or(fraction);
        let digits: i128 = format!("{integer}{fraction}").parse().map_err(|_| invalid())?;
        let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or_default());
        let part = digits.checked_mul(nanoseconds).ok_or_else(invalid)? / scale;
        whole = whole.checked_add(part).ok_or_else(invalid)?;
        rest = tail;
    }
    i64::try_from(if negative { -whole } else { whole }).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        for (text, expected) in [
            ("24h", 86_400_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5us", 500),
            ("-2ms", -2_000_000),
            ("0", 0),
            ("0s", 0),
            ("1.0000000000000000000001s", 1_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for (text, message) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5d", "time: unknown unit \"d\" in duration \"5d\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
            ("h", "time: invalid duration \"h\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
            (&"9".repeat(100), &format!("time: missing unit in duration {:?}", "9".repeat(100))),
        ] {
            assert_eq!(duration(text).unwrap_err().to_string(), message);
        }
    }
}
