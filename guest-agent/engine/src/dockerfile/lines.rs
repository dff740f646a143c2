//! Text becomes lines: comments and empty lines left out, continued ones put together.

/// The character that quotes, unless the first line says otherwise.
const ESCAPE: char = '\\';

/// The lines of a text, and what escapes in them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) escape: char,
    pub(super) lines: Vec<String>,
}

impl Lines {
    /// Reads `text` as Docker's parser does.
    pub(super) fn of(text: &str) -> Self {
        let escape = escape_directive(text).unwrap_or(ESCAPE);
        let mut lines = Vec::new();
        let mut open: Option<String> = None;
        for line in text.lines() {
            let trimmed = line.trim_start();
            // Also in the middle of an instruction.
            if trimmed.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            let (part, goes_on) = match without_continuation(line, escape) {
                Some(part) => (part, true),
                None => (line, false),
            };
            let mut whole = open.take().unwrap_or_default();
            whole.push_str(part);
            if goes_on {
                open = Some(whole);
            } else {
                lines.push(whole);
            }
        }
        lines.extend(open);
        let lines = lines.iter().map(|line| line.trim().to_owned());
        Self { escape, lines: lines.filter(|line| !line.is_empty()).collect() }
    }
}

/// `# escape=` in the first line.
fn escape_directive(text: &str) -> Option<char> {
    let first = text.lines().next()?.trim().strip_prefix('#')?;
    let (name, value) = first.split_once('=')?;
    let value = value.trim();
    let known = name.trim().eq_ignore_ascii_case("escape") && matches!(value, "\\" | "`");
    value.chars().next().filter(|_| known)
}

/// The line without the escape character that continues it; an escaped one does not.
fn without_continuation(line: &str, escape: char) -> Option<&str> {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        Lines::of(text).lines
    }

    #[test]
    fn comments_go_and_continued_lines_are_one() {
        let text = "  # note\nENV a=b \\  \n# in between\n\n  c=d\r\nCMD x \\\\\n\nUSER y\\";
        assert_eq!(lines(text), ["ENV a=b   c=d", "CMD x \\\\", "USER y"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn the_escape_character_can_be_chosen() {
        let chosen = Lines::of("# Escape = `\nENV a=b `\n c=d\nUSER x\\");
        assert_eq!(chosen.escape, '`');
        assert_eq!(chosen.lines, ["ENV a=b  c=d", "USER x\\"]);
        assert_eq!(Lines::of("# escape=x\nUSER y").escape, '\\');
    }
}
