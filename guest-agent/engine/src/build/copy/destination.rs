//! Where it all goes.

use naru_dockerfile::clean_path;

/// A destination from the root, clean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// Absolute, and without a slash at its end.
    path: String,
    /// Whether the files go into it, and it is made if it is not there.
    is_directory: bool,
}

impl Destination {
    /// What is written counts from the working directory.
    pub(super) fn new(working_directory: &str, written: &str) -> Self {
        let is_directory =
            matches!(written, "" | ".") || written.ends_with('/') || written.ends_with("/.");
        let from = if written.starts_with('/') { "/" } else { working_directory };
        Self { path: clean_path(&format!("{from}/{written}")), is_directory }
    }

    pub(super) fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    /// What has to be there before anything is written: itself, or what it is in.
    pub(super) fn made_first(&self) -> &[u8] {
        if self.is_directory { self.path() } else { crate::files::split(self.path()).0 }
    }

    /// As a step's key has it.
    pub(super) fn text(&self) -> String {
        let slash = if self.is_directory && self.path != "/" { "/" } else { "" };
        format!("{}{slash}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_counts_from_the_working_directory_and_may_be_a_directory() {
        for (written, text, first) in [
            ("/a/b", "/a/b", "/a"),
            ("/a/b/", "/a/b/", "/a/b"),
            ("b", "/w/b", "/w"),
            ("b/.", "/w/b/", "/w/b"),
            (".", "/w/", "/w"),
            ("", "/w/", "/w"),
            ("./", "/w/", "/w"),
            ("..", "/", "/"),
            ("../../../x", "/x", "/"),
            ("/", "/", "/"),
        ] {
            let destination = Destination::new("/w", written);
            assert_eq!(destination.text(), text, "{written:?}");
            assert_eq!(destination.made_first(), first.as_bytes(), "{written:?}");
        }
        assert_ne!(Destination::new("/", "x"), Destination::new("/", "x/"));
    }
}
