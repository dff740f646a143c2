//! Variables are filled in, and quotes taken away, as BuildKit's shell lexer does.

use std::fmt::{Debug, Formatter};

use crate::error::{DockerfileError, Problem};
use crate::lexer::{Lexer, Value};
use crate::position::Word;

/// Fills variables in.
#[derive(Clone, Copy)]
pub struct Expander<'a> {
    escape: char,
    value: Value<'a>,
}

impl Debug for Expander<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Expander").field("escape", &self.escape).finish_non_exhaustive()
    }
}

impl<'a> Expander<'a> {
    /// One that knows the variables by `value`.
    pub fn new(escape: char, value: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { escape, value }
    }

    fn lexer(self) -> Lexer<'a> {
        Lexer { value: Some(self.value), ..Lexer::without_variables(self.escape) }
    }

    /// What `word` stands for.
    pub fn word(self, word: &Word) -> Result<Word, DockerfileError> {
        let text = self.lexer().text(&word.text);
        text.map(|text| word.with_text(text))
            .map_err(|problem| DockerfileError::at(word.at, problem))
    }

    /// The words that `word` stands for: a variable may hold several.
    pub fn words(self, word: &Word) -> Result<Vec<Word>, DockerfileError> {
        let words = self.lexer().words(&word.text);
        let words = words.map_err(|problem| DockerfileError::at(word.at, problem))?;
        Ok(words.into_iter().map(|text| word.with_text(text)).collect())
    }

    /// What a here-document stands for: its quotes are of its text, and the escape character is
    /// always the backslash.
    pub(crate) fn document(self, content: &str) -> Result<String, Problem> {
        let lexer = Lexer { plain_quotes: true, ..self.lexer() };
        Lexer { escape: '\\', ..lexer }.text(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::LENGTH_MAX;

    fn value(name: &str) -> Option<String> {
        let value = match name {
            "A" => "one",
            "E" => "",
            "PATH" => "/usr/local/bin:/bin",
            "STAR" => "a*b?c",
            "KOREAN" => "한국어",
            "TWO" => "x y",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn expanded(word: &str) -> Result<String, String> {
        let word = Word { text: word.to_owned(), ..Word::default() };
        let expanded = Expander::new('\\', &value).word(&word);
        expanded.map(|word| word.text).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_filled_in_and_quotes_taken_away() {
        for (word, expected) in [
            ("$A-${A}x", "one-onex"),
            ("'$A' \"$A \\\" \\x\" \\$A", "$A one \" \\x $A"),
            ("${U:-no$A} ${E:-e} ${E-f}.${A:+yes}${U+no}", "noone e .yes"),
            ("$ $U$1 a\\ b", "$  a b"),
            ("he\\'ll'o'", "he'llo"),
            ("hello\\", "hello"),
            ("\"abc\\\\t\"", "abc\\t"),
            ("'he\\llo\\'", "he\\llo\\"),
            ("\\${}aaa", "${}aaa"),
            ("${U:-\\${A}z}x", "${Az}x"),
            ("${aaa}}", "}"),
            ("${U:-${V:-c}} ${A:+${A}:}", "c one:"),
            ("$999aaa ${9:-b} $@@ ${#:-b} ${-} $?", "aaa b @ b  "),
            ("안'녕'$KOREAN", "안녕한국어"),
            ("${A?} ${E?x} ${A:?x}", "one  one"),
            ("a<b <<c", "a<b <<c"),
            ("$TWO", "x y"),
        ] {
            assert_eq!(expanded(word), Ok(expected.to_owned()), "{word}");
        }
    }

    #[test]
    fn patterns_cut_and_replace() {
        for (word, expected) in [
            ("${PATH#*/}", "usr/local/bin:/bin"),
            ("${PATH##*/}", "bin"),
            ("${PATH%/*}", "/usr/local/bin:"),
            ("${PATH%%/*}", ""),
            ("${PATH%:?bin} ${PATH%n?}", "/usr/local/bin /usr/local/bin:/bin"),
            ("${STAR#a\\*} ${STAR%\\?c} ${STAR/\\*/.}", "b?c a*b a.b?c"),
            ("${PATH/bin/x} ${PATH//bin/x}", "/usr/local/x:/bin /usr/local/x:/x"),
            ("${PATH//\\//-} ${A/$A/$KOREAN}", "-usr-local-bin:-bin 한국어"),
            ("${A/n/} ${A//?/$} ${U#x}${U/a/b}", "oe $$$ "),
            ("${KOREAN%?} ${KOREAN#?}", "한국 국어"),
            ("${A#(.)}", "one"),
        ] {
            assert_eq!(expanded(word), Ok(expected.to_owned()), "{word}");
        }
    }

    #[test]
    fn words_are_told_apart_after_variables_are_filled_in() {
        let words = |text: &str| {
            let word = Word { text: text.to_owned(), ..Word::default() };
            let words = Expander::new('`', &value).words(&word).unwrap();
            words.into_iter().map(|word| word.text).collect::<Vec<_>>()
        };
        assert_eq!(words("a$TWO 'b c'\"$TWO\" ` d \"\" e"), ["ax", "y", "b cx y", " d", "e"]);
        assert_eq!(words(" $U "), [""; 0]);
        assert_eq!(words("a${U:-b}c"), ["abc"]);
    }

    #[test]
    fn documents_keep_their_quotes() {
        let expander = Expander::new('`', &value);
        assert_eq!(expander.document("'$A' \"${U:-'b'}\"\n\\$A"), Ok("'one' \"'b'\"\n$A".into()));
    }

    #[test]
    fn what_is_not_closed_or_not_known_is_an_error() {
        for (word, message) in [
            ("'a", "unexpected end of statement while looking for matching single-quote"),
            ("\"a", "unexpected end of statement while looking for matching double-quote"),
            ("${A", "syntax error: missing '}'"),
            ("${A:-b", "syntax error: missing '}'"),
            ("${A/b}", "syntax error: missing '/' in ${}"),
            ("${A/b/c", "syntax error: missing '}'"),
            ("${}", "syntax error: bad substitution"),
            ("${{A}", "syntax error: bad substitution"),
            ("${:-b}", "syntax error: bad substitution"),
            ("${A!x}", "unsupported modifier (!) in substitution"),
            ("${A:=x}", "unsupported modifier (:=) in substitution"),
            ("${A:#x}", "unsupported modifier (:#) in substitution"),
            ("${A#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"),
            ("${U:?is needed}", "U: is needed"),
            ("${U?}", "U: is not allowed to be unset"),
            ("${E:?}", "E: is not allowed to be empty"),
        ] {
            assert_eq!(expanded(word), Err(format!("failed to process {word:?}: {message}")));
        }
        expanded(&"${U:-".repeat(10_000)).unwrap_err();
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let long = |_: &str| Some("x".repeat(LENGTH_MAX - 100));
        for text in ["$a$a", "\"$a$a\"", "${a//?/$a}"] {
            let word = Word { text: text.to_owned(), ..Word::default() };
            let error = Expander::new('\\', &long).word(&word).unwrap_err().to_string();
            assert!(error.ends_with("variables make it longer than 128 KiB"), "{error}");
        }
        let written = "x".repeat(2 * LENGTH_MAX);
        assert_eq!(Expander::new('\\', &long).document(&written), Ok(written));
    }
}
