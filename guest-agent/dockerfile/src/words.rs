//! An instruction's arguments become words. Quotes and escapes stay: they go when variables are
//! filled in.

use serde_json::{Value, from_str};

use crate::error::{DockerfileError, Problem};
use crate::keyword::Keyword;
use crate::position::Word;
use crate::text::{SPACES, Text};

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// Its value.
    pub value: Word,
}

/// Words between spaces, whatever they are made of.
pub(crate) fn plain_words(text: Text<'_>) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.trim().is_empty() {
        let (word, after) = rest.first_word();
        words.push(word.word());
        rest = after;
    }
    words
}

/// A list in JSON; none where it is no list, which then is words.
pub(crate) fn json(text: Text<'_>) -> Result<Option<Vec<Word>>, DockerfileError> {
    if !text.as_str().trim_start().starts_with('[') {
        return Ok(None);
    }
    let Ok(list) = from_str::<Vec<Value>>(text.as_str()) else { return Ok(None) };
    let mut begins = string_offsets(text.as_str()).into_iter();
    let words = list.into_iter().map(|value| match value {
        Value::String(string) => {
            let at = text.after(begins.next().unwrap_or_default()).at();
            Ok(Word { text: string, at })
        }
        _ => Err(text.error(Problem::NotStrings)),
    });
    words.collect::<Result<_, _>>().map(Some)
}

/// Where the strings of a list begin.
fn string_offsets(list: &str) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut is_open = false;
    let mut is_escaped = false;
    for (offset, character) in list.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_open,
            '"' => {
                if !is_open {
                    offsets.push(offset);
                }
                is_open = !is_open;
            }
            _ => {}
        }
    }
    offsets
}

/// `name=value …`, or the older `name value` with all of the rest for its value.
pub(crate) fn pairs(
    text: Text<'_>,
    escape: char,
    keyword: Keyword,
) -> Result<Vec<Pair>, DockerfileError> {
    let words = quoted_words(text, escape);
    let Some(first) = words.first() else {
        return Err(text.error(Problem::AtLeastOne(keyword.as_str())));
    };
    if !first.text.contains('=') {
        let text = text.trim();
        let Some(space) = text.as_str().find(SPACES) else {
            return Err(text.error(Problem::TwoArguments(keyword.as_str())));
        };
        let (name, value) = (text.before(space), text.after(space).trim());
        return Ok(vec![Pair { name: name.word(), value: value.word() }]);
    }
    let pairs: Vec<Pair> = words.iter().map(pair).collect::<Result<_, _>>()?;
    match pairs.iter().find(|pair| pair.name.text.is_empty()) {
        Some(Pair { name, .. }) => {
            Err(DockerfileError::at(name.at, Problem::BlankName(keyword.as_str())))
        }
        None => Ok(pairs),
    }
}

fn pair(word: &Word) -> Result<Pair, DockerfileError> {
    let Some((name, value)) = word.text.split_once('=') else {
        return Err(DockerfileError::at(word.at, Problem::NoEquals(word.text.clone())));
    };
    let mut at = word.at;
    let before = u32::try_from(name.chars().count()).unwrap_or(u32::MAX);
    at.column = at.column.saturating_add(before).saturating_add(1);
    let value = Word { text: value.to_owned(), at };
    Ok(Pair { name: word.with_text(name.to_owned()), value })
}

/// Words between spaces that are neither quoted nor escaped.
pub(crate) fn quoted_words(text: Text<'_>, escape: char) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut characters = text.as_str().char_indices();
    while let Some((offset, character)) = characters.next() {
        if character.is_whitespace() && quote.is_none() {
            words.extend(word.take());
            continue;
        }
        let begin = || Word { text: String::new(), at: text.after(offset).at() };
        let open = &mut word.get_or_insert_with(begin).text;
        if character == escape && quote != Some('\'') {
            // One at the very end says nothing.
            let Some((_, escaped)) = characters.next() else { break };
            open.extend([character, escaped]);
            continue;
        }
        match quote {
            Some(opened) if opened == character => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            _ => {}
        }
        open.push(character);
    }
    words.extend(word.filter(|word| !word.text.is_empty()));
    words
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

    fn texts(words: &[Word]) -> Vec<&str> {
        words.iter().map(|word| word.text.as_str()).collect()
    }

    #[test]
    fn words_end_at_spaces_that_are_not_quoted() {
        let line = line(r#"a="b c" d\ e 'f\' "g\"h i" \"#);
        let words = quoted_words(line.text(), '\\');
        assert_eq!(texts(&words), [r#"a="b c""#, r"d\ e", r"'f\'", r#""g\"h i""#]);
        assert_eq!(words[1].at.column, 9);
        assert_eq!(texts(&plain_words(line.text()))[..2], ["a=\"b", "c\""]);
    }

    #[test]
    fn a_list_is_one_of_texts_or_no_list() {
        let list = |text| json(line(text).text()).map_err(|error| error.problem);
        let words = list(r#"["a\"", "b c"]"#).unwrap().unwrap();
        assert_eq!(texts(&words), ["a\"", "b c"]);
        assert_eq!((words[0].at.column, words[1].at.column), (2, 9));
        assert_eq!(list(r#"["a", 7]"#), Err(Problem::NotStrings));
        assert_eq!(list(r#"["a""#), Ok(None), "then it is for the shell");
        assert_eq!(list(r#"["a"] b"#), Ok(None));
        assert_eq!(list("[ -f x ]"), Ok(None));
        assert_eq!(list(&"[".repeat(60_000)), Ok(None));
    }

    #[test]
    fn pairs_have_an_old_form() {
        let read = |text: &str| {
            pairs(line(text).text(), '\\', Keyword::Env).map_err(|error| error.to_string())
        };
        let flat = |pairs: Vec<Pair>| -> Vec<String> {
            pairs.into_iter().flat_map(|pair| [pair.name.text, pair.value.text]).collect()
        };
        assert_eq!(read("a b  c=d").map(flat), Ok(vec!["a".into(), "b  c=d".into()]));
        let pairs = read("a=b c='d e'").unwrap();
        assert_eq!(pairs[1].value.at.column, 7);
        assert_eq!(flat(pairs), ["a", "b", "c", "'d e'"]);
        for (text, message) in [
            ("", "ENV requires at least one argument"),
            ("a", "ENV must have two arguments"),
            ("=b", "ENV names can not be blank"),
            ("=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
        ] {
            assert_eq!(read(text).unwrap_err(), message);
        }
    }
}
