//! Yes and no as Go reads them (`strconv.ParseBool`), and Docker's clients and BuildKit with it.

/// None for what is neither.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
