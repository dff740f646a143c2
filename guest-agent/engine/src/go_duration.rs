//! Durations as Go writes them, and Docker's clients with it: numbers, each with its unit.

use jiff::SignedDuration;

/// Reads `24h`, `1h30m`, `1.5s`; none where it is no duration.
pub(crate) fn parse(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut whole = SignedDuration::ZERO;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = SignedDuration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        whole = whole.checked_add(part)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(whole)
}
