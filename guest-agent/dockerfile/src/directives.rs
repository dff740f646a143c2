//! Comments at the very top that say how the rest is to be read.

use crate::error::{DockerfileError, Problem};
use crate::position::Position;

/// The character that escapes and continues, unless a directive says otherwise.
pub(crate) const ESCAPE: char = '\\';
/// The frontend that this crate is one of.
const FRONTENDS: [&str; 2] = ["docker/dockerfile", "docker/dockerfile-upstream"];

/// What the directives say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// The character that escapes and continues: a backslash or a backtick.
    pub escape: char,
    /// The image that is to read the rest, if one is named.
    pub syntax: Option<String>,
    /// Which checks are to be made, if that is said.
    pub check: Option<String>,
}

impl Default for Directives {
    fn default() -> Self {
        Self { escape: ESCAPE, syntax: None, check: None }
    }
}

impl Directives {
    /// Reads those of a file, whatever language the rest of it is in.
    pub fn read(text: &str) -> Result<Self, DockerfileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = DirectiveReader::default();
        for (number, line) in (1..).zip(text.lines()) {
            let at = Position { line: number, column: 1 };
            let is_one = reader.see(line.trim_start());
            if !is_one.map_err(|problem| DockerfileError::at(at, problem))? {
                break;
            }
        }
        Ok(reader.found)
    }

    /// Refuses a file that is written for another frontend than Docker's own. Whoever builds may
    /// name one (`asked`), whatever the file says.
    pub fn require_own_syntax(&self, asked: Option<&str>) -> Result<(), DockerfileError> {
        let asked = asked.map(str::trim).filter(|asked| !asked.is_empty());
        let Some(syntax) = asked.or(self.syntax.as_deref()) else { return Ok(()) };
        // What follows the image's name is the frontend's command line.
        let image = syntax.split(' ').next().unwrap_or(syntax);
        let name = image.split('@').next().unwrap_or(image);
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        let name = name.split(':').next().unwrap_or(name);
        if FRONTENDS.contains(&name) {
            return Ok(());
        }
        Err(DockerfileError::nowhere(Problem::Frontend(image.to_owned())))
    }
}

/// Looks at one line after the other, until one is no directive.
#[derive(Debug, Default)]
pub(crate) struct DirectiveReader {
    pub(crate) found: Directives,
    seen: Vec<String>,
    is_done: bool,
}

impl DirectiveReader {
    /// `line` has no spaces before it. Says whether it is a directive.
    pub(crate) fn see(&mut self, line: &str) -> Result<bool, Problem> {
        if self.is_done {
            return Ok(false);
        }
        let Some((name, value)) = directive(line) else {
            self.is_done = true;
            return Ok(false);
        };
        if self.seen.contains(&name) {
            return Err(Problem::DirectiveTwice(name));
        }
        match (name.as_str(), value) {
            ("escape", "\\") => self.found.escape = '\\',
            ("escape", "`") => self.found.escape = '`',
            ("escape", other) => return Err(Problem::EscapeToken(other.to_owned())),
            ("syntax", value) => self.found.syntax = Some(value.to_owned()),
            (_, value) => self.found.check = Some(value.to_owned()),
        }
        self.seen.push(name);
        Ok(true)
    }
}

/// A directive's name and value.
pub(crate) fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let value = match value.trim() {
        // As with Docker, a space is a value where nothing else is.
        "" => value.char_indices().next_back().map_or("", |(last, _)| &value[last..]),
        trimmed => trimmed,
    };
    let is_known = matches!(name.as_str(), "syntax" | "escape" | "check");
    (is_known && !value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Directives, Problem> {
        let mut reader = DirectiveReader::default();
        lines.iter().try_for_each(|line| reader.see(line).map(drop))?;
        Ok(reader.found)
    }

    #[test]
    fn directives_stand_before_everything_else() {
        let found = read(&["# Syntax = docker/dockerfile:1", "#escape=`", "# check=skip=all"]);
        let expected = Directives {
            escape: '`',
            syntax: Some("docker/dockerfile:1".into()),
            check: Some("skip=all".into()),
        };
        assert_eq!(found, Ok(expected));
        for other in ["# note", "", "FROM x", "# other=1", "#escape="] {
            assert_eq!(read(&[other, "# escape=`"]), Ok(Directives::default()), "{other}");
        }
    }

    #[test]
    fn a_directive_stands_once_and_makes_sense() {
        let twice = read(&["# escape=\\", "# escape=\\"]);
        assert_eq!(twice, Err(Problem::DirectiveTwice("escape".into())));
        assert_eq!(read(&["#escape= "]), Err(Problem::EscapeToken(" ".into())));
        assert_eq!(read(&["# escape=x"]), Err(Problem::EscapeToken("x".into())));
    }

    #[test]
    fn the_rest_may_be_in_any_language() {
        let found = Directives::read("\u{feff}# syntax=a/b\n#check=skip=all\n{ x\n# escape=`");
        let found = found.unwrap();
        assert_eq!((found.syntax.as_deref(), found.escape), (Some("a/b"), '\\'));
        assert_eq!(found.check.as_deref(), Some("skip=all"));
        assert_eq!(Directives::read(""), Ok(Directives::default()));
        let error = Directives::read("# syntax=a\n# escape=x").unwrap_err();
        assert_eq!(error.at.map(|at| at.line), Some(2));
    }

    #[test]
    fn only_the_own_syntax_is_read() {
        for (syntax, is_own) in [
            ("docker/dockerfile", true),
            ("docker.io/docker/dockerfile:1.7-labs@sha256:00 x", true),
            ("docker/dockerfile-upstream:master", true),
            ("example.org/docker/dockerfile:1", false),
            ("tonistiigi/dockerfile:runmount", false),
        ] {
            let directives = Directives { syntax: Some(syntax.into()), ..Directives::default() };
            assert_eq!(directives.require_own_syntax(None).is_ok(), is_own, "{syntax}");
            assert_eq!(directives.require_own_syntax(Some(" ")).is_ok(), is_own, "{syntax}");
            let other = directives.require_own_syntax(Some("other/language:2 x"));
            let message = "syntax other/language:2 needs a frontend that is not built in: only \
                           docker/dockerfile is";
            assert_eq!(other.unwrap_err().to_string(), message);
            assert_eq!(directives.require_own_syntax(Some("docker/dockerfile:1-labs")), Ok(()));
        }
    }
}
