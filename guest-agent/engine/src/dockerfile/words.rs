//! An instruction's arguments become words. Quotes and escapes stay: they go when variables are
//! filled in.

use serde_json::{Deserializer, Value};

use super::error::DockerfileError;

/// The first word and what follows it.
pub(super) fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// The flags (`--name=value`) that stand before the arguments, and those.
pub(super) fn flags(text: &str) -> (Vec<&str>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim();
    loop {
        let (word, after) = first_word(rest);
        match word.strip_prefix("--") {
            None => return (flags, rest),
            Some("") => return (flags, after),
            Some(flag) => flags.push(flag),
        }
        rest = after;
    }
}

/// A list in JSON; none where it is no list, which then is words.
pub(super) fn json(text: &str) -> Result<Option<Vec<String>>, DockerfileError> {
    if !text.trim_start().starts_with('[') {
        return Ok(None);
    }
    // As with Docker, what follows the list is not looked at.
    let Some(Ok(list)) = Deserializer::from_str(text).into_iter::<Vec<Value>>().next() else {
        return Ok(None);
    };
    let texts = list.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        _ => Err(DockerfileError::NotStrings),
    });
    texts.collect::<Result<_, _>>().map(Some)
}

/// `name=value …`, or the older `name value` with all of the rest for its value.
pub(super) fn pairs(
    text: &str,
    escape: char,
    instruction: &'static str,
) -> Result<Vec<(String, String)>, DockerfileError> {
    let words = words(text, escape);
    let Some(first) = words.first() else {
        return Err(DockerfileError::AtLeastOne(instruction));
    };
    if !first.contains('=') {
        return match first_word(text) {
            (_, "") => Err(DockerfileError::TwoArguments(instruction)),
            (name, value) => Ok(vec![(name.to_owned(), value.to_owned())]),
        };
    }
    words
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(DockerfileError::BlankName(instruction)),
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(DockerfileError::NoEquals(word)),
        })
        .collect()
}

/// Words between spaces that are neither quoted nor escaped.
fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_word = false;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character.is_whitespace() && quote.is_none() {
            if is_word {
                words.push(std::mem::take(&mut word));
            }
            is_word = false;
            continue;
        }
        is_word = true;
        if character == escape && quote != Some('\'') {
            // One at the very end says nothing.
            let Some(escaped) = characters.next() else { break };
            word.extend([character, escaped]);
            continue;
        }
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            _ => {}
        }
        word.push(character);
    }
    if is_word {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_spaces_that_are_not_quoted() {
        let text = r#"a="b c" d\ e 'f\' "g\"h i""#;
        assert_eq!(words(text, '\\'), [r#"a="b c""#, r"d\ e", r"'f\'", r#""g\"h i""#]);
        assert_eq!(words("  ", '\\'), [""; 0]);
    }

    #[test]
    fn a_list_is_one_of_texts_or_no_list() {
        assert_eq!(json(r#" ["a", "b c"] x"#), Ok(Some(vec!["a".into(), "b c".into()])));
        assert_eq!(json(r#"["a", 7]"#), Err(DockerfileError::NotStrings));
        assert_eq!(json(r#"["a""#), Ok(None), "then it is for the shell");
        assert_eq!(json("[ -f x ]"), Ok(None));
    }

    #[test]
    fn pairs_have_an_old_form() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pairs = |text| pairs(text, '\\', "ENV");
        assert_eq!(pairs("a b  c=d"), Ok(vec![pair("a", "b  c=d")]));
        assert_eq!(pairs("a=b c="), Ok(vec![pair("a", "b"), pair("c", "")]));
        for (text, message) in [
            ("", "ENV requires at least one argument"),
            ("a", "ENV must have two arguments"),
            ("=b", "ENV names can not be blank"),
            ("a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
        ] {
            assert_eq!(pairs(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn flags_stand_first() {
        assert_eq!(flags("--a=1 --b CMD --c"), (vec!["a=1", "b"], "CMD --c"));
        assert_eq!(flags("-- --a"), (vec![], "--a"));
    }
}
