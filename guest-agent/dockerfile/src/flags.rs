//! The flags of instructions: `--name=value` before the arguments.

use crate::error::{DockerfileError, Problem};
use crate::keyword::Keyword;
use crate::position::Word;
use crate::suggest::nearest;
use crate::text::Text;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Nothing, `true` or `false`.
    Switch,
    /// A text, once.
    Text,
    /// A text, as often as one likes.
    Texts,
    /// It is of a newer language, and not known here.
    Refused(&'static str),
}

/// The flags there are.
const FLAGS: &[(Keyword, &str, Takes)] = &[
    (Keyword::Add, "chown", Takes::Text),
    (Keyword::Add, "chmod", Takes::Text),
    (Keyword::Add, "link", Takes::Switch),
    (Keyword::Add, "keep-git-dir", Takes::Switch),
    (Keyword::Add, "checksum", Takes::Text),
    (Keyword::Add, "unpack", Takes::Switch),
    (Keyword::Add, "exclude", Takes::Texts),
    (Keyword::Copy, "chown", Takes::Text),
    (Keyword::Copy, "from", Takes::Text),
    (Keyword::Copy, "chmod", Takes::Text),
    (Keyword::Copy, "link", Takes::Switch),
    (Keyword::Copy, "exclude", Takes::Texts),
    (Keyword::Copy, "parents", Takes::Switch),
    (Keyword::From, "platform", Takes::Text),
    (Keyword::Healthcheck, "interval", Takes::Text),
    (Keyword::Healthcheck, "timeout", Takes::Text),
    (Keyword::Healthcheck, "start-period", Takes::Text),
    (Keyword::Healthcheck, "start-interval", Takes::Text),
    (Keyword::Healthcheck, "retries", Takes::Text),
    (Keyword::Run, "mount", Takes::Texts),
    (Keyword::Run, "network", Takes::Text),
    (Keyword::Run, "security", Takes::Text),
    (Keyword::Run, "device", Takes::Refused("1.14-labs")),
];

/// The words with which flags begin, without their quotes, and what follows them.
pub(crate) fn take_flags(text: Text<'_>, escape: char) -> (Vec<Word>, Text<'_>) {
    let mut flags = Vec::new();
    let mut rest = text.trim();
    while rest.as_str().starts_with("--") {
        let (flag, end) = unquoted(rest.as_str(), escape);
        let after = rest.after(end).trim();
        if flag == "--" {
            return (flags, after);
        }
        flags.push(Word { text: flag, at: rest.at() });
        rest = after;
    }
    (flags, rest)
}

/// The first word without quotes and escapes, and how many bytes it was with them.
fn unquoted(text: &str, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((offset, character)) = characters.next() {
        match (character, quote) {
            (_, Some(open)) if open == character => quote = None,
            (_, None) if character.is_whitespace() => return (word, offset),
            ('\'' | '"', None) => quote = Some(character),
            _ if character == escape => word.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => word.push(character),
        }
    }
    (word, text.len())
}

/// Flags that are known to be of their instruction.
#[derive(Debug)]
pub(crate) struct Flags {
    given: Vec<(&'static str, Word)>,
}

impl Flags {
    pub(crate) fn check(keyword: Keyword, words: &[Word]) -> Result<Self, DockerfileError> {
        let mut given: Vec<(&'static str, Word)> = Vec::new();
        for word in words {
            let error = |problem| Err(DockerfileError::at(word.at, problem));
            let text = word.text.strip_prefix("--").unwrap_or(&word.text);
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, None),
            };
            let own = || FLAGS.iter().filter(|(owner, ..)| *owner == keyword);
            let Some((_, known, takes)) = own().find(|(_, known, _)| *known == name) else {
                let nearest = nearest(name, own().map(|(_, known, _)| *known)).map(str::to_owned);
                return error(Problem::UnknownFlag { name: name.to_owned(), nearest });
            };
            if *takes != Takes::Texts && given.iter().any(|(name, _)| name == known) {
                return error(Problem::DuplicateFlag(name.to_owned()));
            }
            let name = name.to_owned();
            let value = match (takes, value) {
                (Takes::Refused(since), _) => {
                    return error(Problem::NewerFlag { name, since });
                }
                (Takes::Switch, None) => "true".to_owned(),
                (Takes::Switch, Some("")) | (Takes::Text | Takes::Texts, None) => {
                    return error(Problem::FlagWithoutValue(name));
                }
                (Takes::Switch, Some(value)) => match value.to_ascii_lowercase() {
                    value if matches!(value.as_str(), "true" | "false") => value,
                    _ => {
                        let value = value.to_owned();
                        return error(Problem::FlagBoolean { name, value });
                    }
                },
                (Takes::Text | Takes::Texts, Some(value)) => value.to_owned(),
            };
            given.push((known, word.with_text(value)));
        }
        Ok(Self { given })
    }

    /// The value of a flag that is given at most once; an empty one says nothing.
    pub(crate) fn text(&self, name: &str) -> Option<Word> {
        self.texts(name).into_iter().next().filter(|word| !word.text.is_empty())
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<Word> {
        let given = self.given.iter().filter(|(known, _)| *known == name);
        given.map(|(_, word)| word.clone()).collect()
    }

    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.text(name).map(|word| word.text == "true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;
    use crate::text::Line;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.push(text, Position { line: 1, column: 1 });
        line
    }

    #[test]
    fn flags_stand_first_and_lose_their_quotes() {
        for (text, flags, rest) in [
            ("--a=1 --b CMD --c", vec!["--a=1", "--b"], "CMD --c"),
            ("--a=\"x 'y\" --b=\\\"z  c", vec!["--a=x 'y", "--b=\"z"], "c"),
            ("-- --a", vec![], "--a"),
            ("--a", vec!["--a"], ""),
            ("-a b", vec![], "-a b"),
            ("--a=ü ö", vec!["--a=ü"], "ö"),
        ] {
            let line = line(text);
            let (found, left) = take_flags(line.text(), '\\');
            let found: Vec<&str> = found.iter().map(|word| word.text.as_str()).collect();
            assert_eq!((found, left.as_str()), (flags, rest), "{text}");
        }
    }

    #[test]
    fn a_flag_is_of_its_instruction() {
        let check = |keyword, text: &str| {
            let line = line(text);
            Flags::check(keyword, &take_flags(line.text(), '\\').0).map_err(|e| e.to_string())
        };
        let flags = check(Keyword::Copy, "--link --exclude=a --exclude=b --from= x").unwrap();
        assert_eq!(flags.switch("link"), Some(true));
        assert_eq!(flags.switch("parents"), None);
        assert_eq!(flags.texts("exclude").len(), 2);
        assert_eq!(flags.text("from"), None);
        for (keyword, text, message) in [
            (Keyword::Copy, "--chmd=1", "unknown flag: --chmd (did you mean chmod?)"),
            (Keyword::Copy, "--checksum=1", "unknown flag: --checksum"),
            (Keyword::User, "--x y", "unknown flag: --x"),
            (Keyword::Copy, "--from", "missing a value on flag: --from"),
            (Keyword::Copy, "--link=", "missing a value on flag: --link"),
            (Keyword::Copy, "--link=no", "expecting boolean value for flag --link, not: no"),
            (Keyword::Copy, "--from=a --from=b", "duplicate flag specified: --from"),
            (
                Keyword::Run,
                "--device=gpu",
                "unknown flag: --device (Dockerfile syntax 1.14-labs has it, and it is not \
                 supported)",
            ),
        ] {
            assert_eq!(check(keyword, text).unwrap_err(), message);
        }
    }
}
