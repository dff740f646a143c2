//! Points in time as Docker writes them.

use jiff::Timestamp;

/// Now: RFC 3339 in UTC with nine digits of a second, as Go's `RFC3339Nano` pads them in logs.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_always_has_nine_digits() {
        let time = now();
        assert_eq!(time.len(), "2024-01-01T00:00:00.000000000Z".len(), "{time}");
        assert!(time.parse::<Timestamp>().is_ok_and(|parsed| parsed <= Timestamp::now()));
    }
}
