//! Words, quotes and variables, as BuildKit's shell lexer tells them apart.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::Problem;
use crate::pattern::{cut_prefix, cut_suffix, replaced};
use crate::split::Split;

/// So deep may substitutions stand in one another.
const DEPTH_MAX: usize = 32;
/// Longer than this no variable can be handed to a process: without a limit a few lines of
/// `ENV a=$a$a` would fill the memory.
pub(crate) const LENGTH_MAX: usize = 128 << 10;
const TOO_LONG: &str = "variables make it longer than 128 KiB";
const MISSING_BRACE: &str = "syntax error: missing '}'";

type Outcome<T> = Result<T, String>;
/// What a variable is worth.
pub(crate) type Value<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How a text is read.
#[derive(Clone, Copy)]
pub(crate) struct Lexer<'a> {
    pub(crate) escape: char,
    /// Without it every variable stays as it is written.
    pub(crate) value: Option<Value<'a>>,
    /// Quotes stay.
    pub(crate) raw_quotes: bool,
    /// Escape characters stay.
    pub(crate) raw_escapes: bool,
    /// Quotes are characters as others are.
    pub(crate) plain_quotes: bool,
}

impl Lexer<'_> {
    pub(crate) fn without_variables(escape: char) -> Self {
        Self { escape, value: None, raw_quotes: false, raw_escapes: false, plain_quotes: false }
    }

    pub(crate) fn text(self, text: &str) -> Result<String, Problem> {
        self.run(text, false).map(|split| split.text)
    }

    pub(crate) fn words(self, text: &str) -> Result<Vec<String>, Problem> {
        self.run(text, true).map(Split::into_words)
    }

    fn run(self, text: &str, with_words: bool) -> Result<Split, Problem> {
        // What is written out in full is as long as it is.
        let most = LENGTH_MAX + text.len();
        let mut run = Run { lexer: self, left: text.chars().peekable(), depth: 0, most };
        run.until(None, self.raw_escapes, with_words).map_err(|message| {
            // A whole document would hide the message.
            let word = text.chars().take(200).collect();
            Problem::Expansion { word, message }
        })
    }
}

struct Run<'a> {
    lexer: Lexer<'a>,
    left: Peekable<Chars<'a>>,
    depth: usize,
    /// How long a result may be.
    most: usize,
}

impl Run<'_> {
    fn until(&mut self, end: Option<char>, raw_escapes: bool, with_words: bool) -> Outcome<Split> {
        let mut result = Split::new(with_words);
        while let Some(character) = self.left.next() {
            match character {
                _ if Some(character) == end => return Ok(result),
                '\'' if !self.lexer.plain_quotes => result.add_whole(&self.single_quoted()?),
                '"' if !self.lexer.plain_quotes => {
                    result.add_whole(&self.double_quoted(raw_escapes)?);
                }
                '$' => result.add(&self.variable(raw_escapes)?),
                '<' if self.left.next_if_eq(&'<').is_some() => {
                    result.add_whole("<<");
                    // The name of a here-document may be after spaces.
                    while let Some(space) =
                        self.left.next_if(|next| matches!(next, '\t' | '\r' | ' '))
                    {
                        result.add_whole(space.encode_utf8(&mut [0; 4]));
                    }
                }
                '<' => result.add_whole("<"),
                _ if character == self.lexer.escape => {
                    if raw_escapes {
                        result.add_whole(character.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(escaped) = self.left.next() {
                        result.add_whole(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
                _ => result.add(character.encode_utf8(&mut [0; 4])),
            }
            if result.text.len() > self.most {
                return Err(TOO_LONG.to_owned());
            }
        }
        match end {
            None => Ok(result),
            Some(end) => {
                Err(format!("unexpected end of statement while looking for matching {end}"))
            }
        }
    }

    /// The part of a substitution before `end`. Where the text is at its end, that is what is
    /// missing.
    fn part(&mut self, end: char, raw_escapes: bool) -> Outcome<String> {
        let part = self.until(Some(end), raw_escapes, false);
        part.map(|part| part.text).map_err(|error| match (self.left.peek(), end) {
            (Some(_), _) => error,
            (None, '}') => MISSING_BRACE.to_owned(),
            (None, _) => "syntax error: missing '/' in ${}".to_owned(),
        })
    }

    fn single_quoted(&mut self) -> Outcome<String> {
        let mut result = String::new();
        if self.lexer.raw_quotes {
            result.push('\'');
        }
        for character in self.left.by_ref() {
            if character == '\'' {
                if self.lexer.raw_quotes {
                    result.push('\'');
                }
                return Ok(result);
            }
            result.push(character);
        }
        Err("unexpected end of statement while looking for matching single-quote".to_owned())
    }

    fn double_quoted(&mut self, raw_escapes: bool) -> Outcome<String> {
        let mut result = String::new();
        if self.lexer.raw_quotes {
            result.push('"');
        }
        while let Some(character) = self.left.next() {
            match character {
                '"' => {
                    if self.lexer.raw_quotes {
                        result.push('"');
                    }
                    return Ok(result);
                }
                '$' => result.push_str(&self.variable(raw_escapes)?),
                _ if character == self.lexer.escape => {
                    if raw_escapes {
                        result.push(character);
                    }
                    let escape = self.lexer.escape;
                    let is_escaped = |next: &char| matches!(next, '"' | '$') || *next == escape;
                    match self.left.next_if(is_escaped) {
                        Some(escaped) => result.push(escaped),
                        None => result.push(character),
                    }
                }
                _ => result.push(character),
            }
            if result.len() > self.most {
                return Err(TOO_LONG.to_owned());
            }
        }
        Err("unexpected end of statement while looking for matching double-quote".to_owned())
    }

    /// What follows a `$`.
    fn variable(&mut self, raw_escapes: bool) -> Outcome<String> {
        if self.left.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match (name.as_str(), self.lexer.value) {
                ("", _) => "$".to_owned(),
                (name, None) => format!("${name}"),
                (name, Some(value)) => value(name).unwrap_or_default(),
            });
        }
        match self.left.peek() {
            None => return Err(MISSING_BRACE.to_owned()),
            Some('{' | '}' | ':') => return Err("syntax error: bad substitution".to_owned()),
            Some(_) => {}
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("substitutions are more than {DEPTH_MAX} deep"));
        }
        let name = self.name();
        let substituted = self.braced(&name, raw_escapes);
        self.depth -= 1;
        substituted
    }

    /// What follows `${name`.
    fn braced(&mut self, name: &str, raw_escapes: bool) -> Outcome<String> {
        let missing = || MISSING_BRACE.to_owned();
        let mut operator = self.left.next().ok_or_else(missing)?;
        if operator == '}' {
            let value = self.lexer.value.map(|value| value(name).unwrap_or_default());
            return Ok(value.unwrap_or_else(|| format!("${{{name}}}")));
        }
        if operator == '/' {
            return self.replacement(name);
        }
        let mut modifier = operator.to_string();
        if operator == ':' {
            operator = self.left.next().ok_or_else(missing)?;
            modifier.push(operator);
        }
        let is_pattern = matches!(operator, '#' | '%');
        let unsupported = Err(format!("unsupported modifier ({modifier}) in substitution"));
        let empty_is_unset = modifier.starts_with(':');
        if empty_is_unset && is_pattern || !modifier.starts_with([':', '+', '-', '?', '#', '%']) {
            return unsupported;
        }
        let stays = raw_escapes && self.lexer.value.is_none();
        let word = self.part('}', is_pattern || stays)?;
        let Some(value) = self.lexer.value else {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        };
        let value = value(name);
        let full = value.as_ref().filter(|value| !value.is_empty() || !empty_is_unset);
        match operator {
            '-' => Ok(full.cloned().unwrap_or(word)),
            '+' => Ok(full.map(|_| word).unwrap_or_default()),
            '?' => match full {
                Some(full) => Ok(full.clone()),
                None if !word.is_empty() => Err(format!("{name}: {word}")),
                None if value.is_none() => Err(format!("{name}: is not allowed to be unset")),
                None => Err(format!("{name}: is not allowed to be empty")),
            },
            '#' => cut_prefix(&word, &value.unwrap_or_default()),
            '%' => cut_suffix(&word, &value.unwrap_or_default()),
            _ => unsupported,
        }
    }

    /// What follows `${name/`.
    fn replacement(&mut self, name: &str) -> Outcome<String> {
        let is_all = self.left.next_if_eq(&'/').is_some();
        let pattern = self.part('/', true)?;
        let new = self.part('}', true)?;
        let Some(value) = self.lexer.value else {
            let slashes = if is_all { "//" } else { "/" };
            return Ok(format!("${{{name}{slashes}{pattern}/{new}}}"));
        };
        let value = value(name).unwrap_or_default();
        let result = replaced(&pattern, &value, &new, is_all, self.most)?;
        result.ok_or_else(|| TOO_LONG.to_owned())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        let digits: fn(&char) -> bool = |c| c.is_numeric();
        let letters: fn(&char) -> bool = |c| c.is_alphanumeric() || *c == '_';
        let is_special = |c: &char| matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!');
        if let Some(special) = self.left.next_if(is_special) {
            return special.to_string();
        }
        let is_part = if self.left.peek().is_some_and(digits) { digits } else { letters };
        while let Some(character) = self.left.next_if(is_part) {
            name.push(character);
        }
        name
    }
}
