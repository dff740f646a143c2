//! Signals as clients name them.

use nix::sys::signal::Signal;

use crate::error::{EngineError, Result};

/// A signal by name (with or without `SIG`) or number.
pub(crate) fn signal_number(text: &str) -> Result<i32> {
    let invalid = || EngineError::Invalid(format!("invalid signal: {text}"));
    match text.parse::<i32>() {
        Ok(0) => return Err(invalid()),
        Ok(number @ 1..=64) => return Ok(number),
        Ok(number) => {
            return Err(EngineError::Invalid(format!(
                "the linux daemon does not support signal {number}"
            )));
        }
        Err(_) => {}
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = |prefix: &str, base: i32, sign: i32| {
        let rest = name.strip_prefix(prefix)?;
        let offset = if rest.is_empty() { 0 } else { rest[1..].parse::<i32>().ok()? };
        Some(base + sign * offset).filter(|number| (34..=64).contains(number))
    };
    if let Some(number) = realtime("RTMIN", 34, 1).or_else(|| realtime("RTMAX", 64, -1)) {
        return Ok(number);
    }
    format!("SIG{name}").parse::<Signal>().map(|signal| signal as i32).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(signal_number("SIGTERM").unwrap(), 15);
        assert_eq!(signal_number("kill").unwrap(), 9);
        assert_eq!(signal_number("2").unwrap(), 2);
        assert_eq!(signal_number("SIGRTMIN+3").unwrap(), 37);
        for text in ["", "0", "SIGNOPE", "RTMIN+99"] {
            assert_eq!(
                signal_number(text).unwrap_err().to_string(),
                format!("invalid signal: {text}")
            );
        }
        assert_eq!(
            signal_number("99").unwrap_err().to_string(),
            "the linux daemon does not support signal 99"
        );
    }
}
