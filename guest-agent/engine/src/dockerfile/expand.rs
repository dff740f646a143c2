//! Variables are filled in, and quotes taken away, as a shell would.

use std::iter::Peekable;
use std::str::Chars;

use super::error::DockerfileError;

/// So deep may substitutions stand in one another.
const DEPTH_MAX: usize = 32;

/// What `word` stands for, where `value` knows the variables.
pub(super) fn expand(
    word: &str,
    escape: char,
    value: &dyn Fn(&str) -> Option<String>,
) -> Result<String, DockerfileError> {
    let mut expansion = Expansion { left: word.chars().peekable(), escape, value, depth: 0 };
    expansion.until(None)
}

struct Expansion<'a> {
    left: Peekable<Chars<'a>>,
    escape: char,
    value: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
}

impl Expansion<'_> {
    fn until(&mut self, end: Option<char>) -> Result<String, DockerfileError> {
        let mut result = String::new();
        while let Some(character) = self.left.next() {
            match character {
                _ if Some(character) == end => return Ok(result),
                '\'' => self.single_quoted(&mut result)?,
                '"' => self.double_quoted(&mut result)?,
                '$' => result.push_str(&self.variable()?),
                _ if character == self.escape => result.extend(self.left.next()),
                _ => result.push(character),
            }
        }
        match end {
            None => Ok(result),
            Some(_) => Err(DockerfileError::Unclosed("}")),
        }
    }

    fn single_quoted(&mut self, result: &mut String) -> Result<(), DockerfileError> {
        for character in self.left.by_ref() {
            if character == '\'' {
                return Ok(());
            }
            result.push(character);
        }
        Err(DockerfileError::Unclosed("single-quote"))
    }

    fn double_quoted(&mut self, result: &mut String) -> Result<(), DockerfileError> {
        while let Some(character) = self.left.next() {
            match character {
                '"' => return Ok(()),
                '$' => result.push_str(&self.variable()?),
                _ if character == self.escape => match self.left.peek() {
                    Some(&next) if matches!(next, '"' | '$') || next == self.escape => {
                        result.push(next);
                        self.left.next();
                    }
                    Some(_) => result.push(character),
                    None => {}
                },
                _ => result.push(character),
            }
        }
        Err(DockerfileError::Unclosed("double-quote"))
    }

    /// What follows a `$`.
    fn variable(&mut self) -> Result<String, DockerfileError> {
        if self.left.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match name.as_str() {
                "" => "$".to_owned(),
                name => (self.value)(name).unwrap_or_default(),
            });
        }
        let name = self.name();
        let mut modifier = String::new();
        modifier.extend(self.left.next());
        if modifier == ":" {
            modifier.extend(self.left.next());
        }
        let value = (self.value)(&name);
        let empty_is_unset = modifier.starts_with(':');
        let value = value.filter(|value| !value.is_empty() || !empty_is_unset);
        match modifier.trim_start_matches(':') {
            "" => return Err(DockerfileError::UnclosedSubstitution),
            "}" if !empty_is_unset => return Ok(value.unwrap_or_default()),
            "-" | "+" | "?" if self.depth < DEPTH_MAX => {}
            _ => return Err(DockerfileError::Modifier(modifier)),
        }
        self.depth += 1;
        let word = self.until(Some('}'))?;
        self.depth -= 1;
        match (modifier.trim_start_matches(':'), value) {
            ("-", None) => Ok(word),
            ("+", value) => Ok(value.map(|_| word).unwrap_or_default()),
            ("?", None) => {
                let message = match word.as_str() {
                    "" => "is not allowed to be unset".to_owned(),
                    _ => word,
                };
                Err(DockerfileError::Unset { name, message })
            }
            (_, value) => Ok(value.unwrap_or_default()),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        let is_special = |c: &char| c.is_ascii_digit() || matches!(c, '@' | '*' | '#');
        if let Some(special) = self.left.next_if(is_special) {
            name.push(special);
            return name;
        }
        while let Some(character) = self.left.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(character);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(word: &str) -> Result<String, String> {
        let value = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        };
        expand(word, '\\', &value).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_filled_in_and_quotes_taken_away() {
        for (word, expected) in [
            ("$A-${A}x", "one-onex"),
            ("'$A' \"$A \\\" \\x\" \\$A", "$A one \" \\x $A"),
            ("${U:-no$A} ${E:-e} ${E-f}.${A:+yes}${U+no}", "noone e .yes"),
            ("$ $U$1 a\\ b", "$  a b"),
        ] {
            assert_eq!(expanded(word), Ok(expected.to_owned()), "{word}");
        }
    }

    #[test]
    fn what_is_not_closed_or_not_known_is_an_error() {
        for (word, message) in [
            ("'a", "unexpected end of statement while looking for matching single-quote"),
            ("\"a", "unexpected end of statement while looking for matching double-quote"),
            ("${A", "syntax error: missing '}'"),
            ("${A:-b", "unexpected end of statement while looking for matching }"),
            ("${A!x}", "unsupported modifier (!) in substitution"),
            ("${U:?is needed}", "U: is needed"),
        ] {
            assert_eq!(expanded(word), Err(message.to_owned()), "{word}");
        }
        expanded(&"${U:-".repeat(10_000)).unwrap_err();
    }
}
