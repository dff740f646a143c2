//! Which files of a source are meant: those that `--parents` picks, without those that
//! `--exclude` names.

use naru_dockerfile::{Ignore, ParentMatch, Problem};

use crate::glob;

/// Patterns as in `.dockerignore`, relative to the directory that is copied.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    include: Option<Include>,
    exclude: Ignore,
}

#[derive(Clone, Debug)]
struct Include {
    matcher: Ignore,
    /// The pattern's components.
    parts: Vec<String>,
}

/// What is known of a directory, for what is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    include: ParentMatch,
    exclude: ParentMatch,
}

/// What is to become of a file.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) is_included: bool,
    /// Whether something in it may be included, if it is a directory.
    pub(super) is_entered: bool,
    pub(super) matched: Matched,
}

impl Filter {
    /// Everything but what is excluded; with `include` only what matches that.
    pub(super) fn new(include: Option<&str>, exclude: Ignore) -> Result<Self, Problem> {
        let include = include.map(|pattern| {
            let parts = pattern.split('/').map(str::to_owned).collect();
            Ok(Include { matcher: Ignore::new([pattern])?, parts })
        });
        Ok(Self { include: include.transpose()?, exclude })
    }

    /// Whether everything is meant.
    pub(super) fn is_trivial(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty()
    }

    /// Judges what is at `path`, relative to the directory that is copied.
    pub(super) fn judge(&self, path: &[u8], parent: &Matched) -> Verdict {
        if self.is_trivial() {
            return Verdict { is_included: true, is_entered: true, matched: Matched::default() };
        }
        let path = String::from_utf8_lossy(path);
        let (is_excluded, exclude) = self.exclude.is_ignored_in(&path, &parent.exclude);
        let mut is_entered = !is_excluded || self.exclude.has_exceptions_in(&path);
        let Some(wanted) = &self.include else {
            let matched = Matched { exclude, ..Matched::default() };
            return Verdict { is_included: !is_excluded, is_entered, matched };
        };
        let (is_picked, include) = wanted.matcher.is_ignored_in(&path, &parent.include);
        is_entered &= is_picked || wanted.may_match_in(&path);
        let matched = Matched { include, exclude };
        Verdict { is_included: is_picked && !is_excluded, is_entered, matched }
    }
}

impl Include {
    /// Whether something in this directory may match: large contexts are not gone through for one
    /// file.
    fn may_match_in(&self, directory: &str) -> bool {
        for (part, name) in self.parts.iter().zip(directory.split('/')) {
            if part.contains("**") {
                return true;
            }
            if !glob::matches(part, name.as_bytes()) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes to the path step by step.
    fn judged(filter: &Filter, path: &str) -> Option<bool> {
        let mut parent = Matched::default();
        for (end, _) in path.match_indices('/') {
            let verdict = filter.judge(&path.as_bytes()[..end], &parent);
            if !verdict.is_entered {
                return None;
            }
            parent = verdict.matched;
        }
        Some(filter.judge(path.as_bytes(), &parent).is_included)
    }

    #[test]
    fn what_is_picked_and_not_excluded_is_meant() {
        let exclude = Ignore::new(["**/*.md", "!keep.md", "b"]).unwrap();
        let filter = Filter::new(None, exclude.clone()).unwrap();
        for (path, expected) in [
            ("x", Some(true)),
            ("x.md", Some(false)),
            ("a/x.md", Some(false)),
            ("keep.md", Some(true)),
            ("b/x", None),
        ] {
            assert_eq!(judged(&filter, path), expected, "{path}");
        }
        let filter = Filter::new(Some("a/*/c"), exclude).unwrap();
        for (path, expected) in [
            ("a", Some(false)),
            ("a/b/c", Some(true)),
            ("a/b/c/d/e", Some(true)),
            ("a/b/c/d.md", Some(false)),
            ("a/b/x", Some(false)),
            ("x/b/c", None),
            ("a/b/x/c", None),
        ] {
            assert_eq!(judged(&filter, path), expected, "{path}");
        }
        let deep = Filter::new(Some("**/c"), Ignore::default()).unwrap();
        assert_eq!(judged(&deep, "x/y/c"), Some(true));
    }
}
