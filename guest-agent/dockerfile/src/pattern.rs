//! Patterns in `${name#pattern}` and its like: `*` and `?`, and escapes of them.

use regex::{Regex, escape};

type Outcome<T> = Result<T, String>;

/// `${name#pattern}`, and with `##` the longest.
pub(crate) fn cut_prefix(pattern: &str, value: &str) -> Outcome<String> {
    let (pattern, is_longest) = longest(pattern, '#');
    let found = compiled(pattern, is_longest, true)?.find(value).map_or(0, |found| found.end());
    Ok(value.get(found..).unwrap_or_default().to_owned())
}

/// `${name%pattern}`, and with `%%` the longest.
pub(crate) fn cut_suffix(pattern: &str, value: &str) -> Outcome<String> {
    // What an expression finds first is what is most to the left: all is turned around.
    let (pattern, is_longest) = longest(pattern, '%');
    let value: String = value.chars().rev().collect();
    let expression = compiled(&reversed(pattern), is_longest, true)?;
    let found = expression.find(&value).map_or(0, |found| found.end());
    Ok(value.get(found..).unwrap_or_default().chars().rev().collect())
}

/// `${name/pattern/new}`, and with `//` in all places; none if it is longer than `most` bytes.
pub(crate) fn replaced(
    pattern: &str,
    value: &str,
    new: &str,
    is_all: bool,
    most: usize,
) -> Outcome<Option<String>> {
    let expression = compiled(pattern, true, false)?;
    let mut result = String::new();
    let mut done = 0;
    for found in expression.find_iter(value).take(if is_all { usize::MAX } else { 1 }) {
        result.push_str(value.get(done..found.start()).unwrap_or_default());
        result.push_str(new);
        done = found.end();
        if result.len() > most {
            return Ok(None);
        }
    }
    result.push_str(value.get(done..).unwrap_or_default());
    Ok(Some(result))
}

fn longest(pattern: &str, mark: char) -> (&str, bool) {
    pattern.strip_prefix(mark).map_or((pattern, false), |pattern| (pattern, true))
}

/// The pattern from its end, with the escapes still before what they escape.
fn reversed(pattern: &str) -> String {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let mut piece = String::from(character);
        if character == '\\' {
            piece.extend(characters.next());
        }
        pieces.push(piece);
    }
    pieces.iter().rev().map(String::as_str).collect()
}

fn compiled(pattern: &str, is_longest: bool, is_anchored: bool) -> Outcome<Regex> {
    let wrong = |why: &str| format!("invalid pattern ({pattern}) in substitution: {why}");
    let mut expression = String::from(if is_anchored { "^" } else { "" });
    let literal = |expression: &mut String, character: char| {
        expression.push_str(&escape(character.encode_utf8(&mut [0; 4])));
    };
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' => expression.push_str(if is_longest { ".*" } else { ".*?" }),
            '?' => expression.push('.'),
            // These are escaped for the sake of the braces, not of the pattern.
            '\\' if matches!(characters.peek(), Some('}' | '/')) => {}
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '?' | '\\')) => literal(&mut expression, escaped),
                Some(other) => return Err(wrong(&format!("invalid escape '\\{other}'"))),
                None => return Err(wrong("invalid escape at its end")),
            },
            other => literal(&mut expression, other),
        }
    }
    Regex::new(&expression).map_err(|_| wrong("it is too long"))
}
