//! The words that do not change.

/// Says where a greeting comes from.
pub fn origin(version: &str, user: u32) -> String {
    format!("from {version} as {user}")
}
