//! The words that the window lent the tray last, for the next start: the menu is there before the
//! window has said anything.

use std::fs;

use naru_ipc::TrayWords;

use crate::{AppError, Directories, private_file};

/// The words that were kept last; English without any. Those that cannot be read are as good as none.
pub(crate) fn recall(directories: &Directories) -> TrayWords {
    let kept = fs::read(directories.tray_file()).ok();
    kept.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Keeps them for the next start.
pub(crate) fn keep(directories: &Directories, words: &TrayWords) -> Result<(), AppError> {
    let text = serde_json::to_vec(words)
        .map_err(|source| AppError::Garbled { what: "the tray's words", source })?;
    private_file::write_atomically(&directories.tray_file(), &text)
}
