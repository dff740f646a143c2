//! One pattern of `.dockerignore`.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, escape};

use crate::error::Problem;

/// What a pattern compares. Most are simple, and contexts are large.
#[derive(Clone, Debug)]
enum Compared {
    Whole,
    Prefix(usize),
    Suffix,
    Expression(Regex),
}

/// A pattern: `*` and `?` stand for what is between slashes, `**` for anything.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    pattern: String,
    compared: Compared,
}

impl Glob {
    /// The pattern is a clean path.
    pub(crate) fn new(pattern: &str) -> Result<Self, Problem> {
        let is_literal = |text: &str| !text.contains(['*', '?', '[', '\\']);
        let compared = match (pattern.strip_prefix("**"), pattern.strip_suffix("**")) {
            _ if is_literal(pattern) => Compared::Whole,
            (Some(suffix), _) if is_literal(suffix) => Compared::Suffix,
            (_, Some(prefix)) if is_literal(prefix) => Compared::Prefix(prefix.len()),
            _ => {
                let expression = expression(pattern).and_then(|text| Regex::new(&text).ok());
                let wrong = || Problem::Pattern(pattern.to_owned());
                Compared::Expression(expression.ok_or_else(wrong)?)
            }
        };
        Ok(Self { pattern: pattern.to_owned(), compared })
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.compared {
            Compared::Whole => path == self.pattern,
            Compared::Prefix(length) => path.starts_with(&self.pattern[..*length]),
            Compared::Suffix => {
                let suffix = &self.pattern[2..];
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            Compared::Expression(expression) => expression.is_match(path),
        }
    }

    /// The part of it that stands for itself only; none if there is none.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.compared {
            Compared::Whole => Some(&self.pattern),
            Compared::Prefix(length) => Some(&self.pattern[..length]),
            Compared::Suffix | Compared::Expression(_) => None,
        }
    }
}

fn expression(pattern: &str) -> Option<String> {
    let mut expression = String::from("^");
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                // A slash after it is of it.
                rest.next_if_eq(&'/');
                // At the end it is everything, else any number of directories.
                expression.push_str(if rest.peek().is_none() { ".*" } else { "(.*/)?" });
            }
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '[' => expression.push_str(&class(&mut rest)?),
            '\\' => expression.push_str(&literal(rest.next()?)),
            other => expression.push_str(&literal(other)),
        }
    }
    expression.push('$');
    Some(expression)
}

fn literal(character: char) -> String {
    escape(character.encode_utf8(&mut [0; 4]))
}

/// `[a-z]`, `[^a]`, after its opening bracket.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut expression = String::from("[");
    if rest.next_if_eq(&'^').is_some() {
        expression.push('^');
    }
    let mut is_empty = true;
    loop {
        if rest.next_if_eq(&']').is_some() {
            expression.push(']');
            return (!is_empty).then_some(expression);
        }
        is_empty = false;
        let first = member(rest)?;
        let last = if rest.next_if_eq(&'-').is_some() { member(rest)? } else { first };
        if first > last {
            return None;
        }
        let escaped = |character: char| format!("\\x{{{:x}}}", u32::from(character));
        expression.extend([escaped(first), "-".to_owned(), escaped(last)]);
    }
}

fn member(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}
