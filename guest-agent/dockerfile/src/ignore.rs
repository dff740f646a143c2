//! `.dockerignore`: which files of a context are none of the build's.

use crate::error::Problem;
use crate::glob::Glob;

/// The files that may say what is ignored, in the order in which they are looked for: one for
/// this Dockerfile alone, beside it, and then one for the context.
pub fn ignore_files(dockerfile: &str) -> [String; 2] {
    [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()]
}

/// The patterns of a `.dockerignore`, as they are handed on to who applies them.
pub fn ignore_patterns(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
    let patterns = lines.filter(|line| !line.is_empty()).map(|line| {
        let (mark, pattern) = match line.strip_prefix('!') {
            Some(pattern) => ("!", pattern.trim()),
            None => ("", line),
        };
        let cleaned = if pattern.is_empty() { String::new() } else { clean(pattern) };
        // A path that begins at the root begins at the context.
        let cleaned = match cleaned.strip_prefix('/') {
            Some(relative) if !relative.is_empty() => relative.to_owned(),
            _ => cleaned,
        };
        format!("{mark}{cleaned}")
    });
    patterns.collect()
}

#[derive(Clone, Debug)]
struct Rule {
    glob: Glob,
    /// Whether what it matches is not ignored after all.
    is_exception: bool,
}

/// Patterns, of which the last that matches a file decides.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
    ignores_all: bool,
}

/// Which rules matched a directory, for what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentMatch {
    matched: Vec<bool>,
}

impl Ignore {
    /// Reads a `.dockerignore`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::new(ignore_patterns(text))
    }

    /// Patterns as they are written behind `--exclude`.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, Problem> {
        let mut rules = Vec::new();
        let mut ignores_all = false;
        for pattern in patterns {
            let pattern = pattern.as_ref().trim();
            if pattern.is_empty() {
                continue;
            }
            let cleaned = clean(pattern);
            let (is_exception, pattern) = match cleaned.strip_prefix('!') {
                Some("") => return Err(Problem::EmptyExclusion),
                Some(pattern) => (true, pattern),
                None => (false, cleaned.as_str()),
            };
            ignores_all |= !is_exception && matches!(pattern, "*" | "**" | "**/*");
            rules.push(Rule { glob: Glob::new(pattern)?, is_exception });
        }
        Ok(Self { rules, ignores_all })
    }

    /// Whether nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the file is ignored. The path is relative to the context, and has slashes.
    pub fn is_ignored(&self, path: &str) -> bool {
        let mut is_ignored = false;
        for rule in &self.rules {
            // What changes nothing is not looked at.
            if rule.is_exception == is_ignored && with_parents(path).any(|p| rule.glob.matches(p)) {
                is_ignored = !rule.is_exception;
            }
        }
        is_ignored
    }

    /// The same for who goes through a directory: what is known of it is not found out again for
    /// each file. For files of the context's root it is the default.
    pub fn is_ignored_in(&self, path: &str, parent: &ParentMatch) -> (bool, ParentMatch) {
        let mut is_ignored = false;
        let mut matched = vec![false; self.rules.len()];
        for (number, rule) in self.rules.iter().enumerate() {
            let in_parent = parent.matched.get(number).copied().unwrap_or(false);
            let matches = in_parent || rule.is_exception == is_ignored && rule.glob.matches(path);
            matched[number] = matches;
            if matches {
                is_ignored = !rule.is_exception;
            }
        }
        (is_ignored, ParentMatch { matched })
    }

    /// Whether something is not ignored after all.
    pub fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_exception)
    }

    /// Whether a rule says that all of the context is ignored.
    pub fn ignores_all(&self) -> bool {
        self.ignores_all
    }

    /// Whether something in this directory, which is ignored, may not be.
    pub fn has_exceptions_in(&self, directory: &str) -> bool {
        self.rules.iter().filter(|rule| rule.is_exception).any(|rule| {
            rule.glob.literal().is_none_or(|literal| {
                literal.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
            })
        })
    }
}

/// The path, and every directory that it is in.
fn with_parents(path: &str) -> impl Iterator<Item = &str> {
    let parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    [path].into_iter().chain(parents)
}

/// The path without what changes nothing in it, as Go's `filepath.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let is_rooted = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    match (is_rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_moby_does() {
        for (pattern, path, matches) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "dir/file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir2/file", false),
            ("dir/**", "dir", false),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**dir", "dir", true),
            ("**dir", "dir/file", true),
            ("**dir/file", "dir/dir/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "dir/somefile", true),
            ("**/file", "somefile", false),
            ("**/*.txt", "a/b.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a/*.txt", "a/b/c.txt", false),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            ("a[[^&~]", "a^", true),
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*/b", "a/c/b", false),
            ("a?b", "a/b", false),
            ("a.b", "axb", false),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("a(b)c/def", "a(b)c/def", true),
            ("a|b+{1}$", "a|b+{1}$", true),
            ("abc/def", "abc/def/ghi", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("한?어", "한국어", true),
        ] {
            let ignore = Ignore::new([pattern]).unwrap();
            assert_eq!(ignore.is_ignored(path), matches, "{pattern} {path}");
        }
        for pattern in ["[", "a[", "a[]", "[a-", "[z-a]", "a\\"] {
            assert_eq!(Ignore::new([pattern]).unwrap_err(), Problem::Pattern(pattern.to_owned()));
        }
        assert_eq!(Ignore::new(["!"]).unwrap_err(), Problem::EmptyExclusion);
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let text = "\u{feff}# note\n /docs/ \r\n\n! docs/README.md\n*.log\n!keep*\nkeep/no\n./a/../b\n/\n.\n";
        let ignore = Ignore::parse(text).unwrap();
        for (path, is_ignored) in [
            ("docs", true),
            ("docs/a/b", true),
            ("docs/README.md", false),
            ("x.log", true),
            ("keep.log", false),
            ("keep/no/x", true),
            ("b/c", true),
            ("a", false),
            ("# note", false),
        ] {
            assert_eq!(ignore.is_ignored(path), is_ignored, "{path}");
            // And going there step by step.
            let mut parent = ParentMatch::default();
            let mut last = false;
            for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                (last, parent) = ignore.is_ignored_in(&path[..end], &parent);
            }
            assert_eq!(last, is_ignored, "{path}");
        }
        assert_eq!(Ignore::parse("!").unwrap_err(), Problem::EmptyExclusion);
    }

    #[test]
    fn directories_without_exceptions_need_not_be_gone_through() {
        let ignore = Ignore::parse("*\n!a/b\n!c/d/**").unwrap();
        for (directory, has_exceptions) in
            [("a", true), ("ab", false), ("b", false), ("c", true), ("c/d", true), ("c/x", false)]
        {
            assert_eq!(ignore.has_exceptions_in(directory), has_exceptions, "{directory}");
        }
        assert!(Ignore::parse("*\n!**/x").unwrap().has_exceptions_in("anything"));
    }

    #[test]
    fn a_dockerfile_may_have_rules_of_its_own() {
        assert_eq!(ignore_files("dir/My.Dockerfile")[0], "dir/My.Dockerfile.dockerignore");
    }
}
