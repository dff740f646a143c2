//! A logical line: what is left of the lines it was written on, with where each part of it was.

use crate::error::{DockerfileError, Problem};
use crate::heredoc::Heredoc;
use crate::position::{Position, Word};

/// What Docker's parser takes for spaces between words.
pub(crate) const SPACES: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

/// Continued lines put together, without the escape characters at their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: String,
    /// Where the parts of the text begin, in it and in the file.
    parts: Vec<(usize, Position)>,
    /// The last line of the file that belongs to it.
    pub(crate) last: u32,
    pub(crate) heredocs: Vec<Heredoc>,
    /// The comments right above it.
    pub(crate) comments: Vec<String>,
    /// Whether a line without anything stands among those that it is continued on, and the last
    /// of these.
    pub(crate) has_empty: bool,
    pub(crate) continued_to: u32,
    /// Where all of it is said to be, if it stands in no file.
    pub(crate) place: Option<Position>,
}

impl Line {
    pub(crate) fn push(&mut self, text: &str, at: Position) {
        self.parts.push((self.text.len(), at));
        self.text.push_str(text);
        self.last = at.line;
    }

    pub(crate) fn text(&self) -> Text<'_> {
        Text { line: self, content: &self.text, offset: 0 }.trim()
    }

    fn position(&self, offset: usize) -> Position {
        if let Some(place) = self.place {
            return place;
        }
        let after = self.parts.partition_point(|(begin, _)| *begin <= offset);
        let Some((begin, at)) = self.parts.get(after.saturating_sub(1)) else {
            return Position::default();
        };
        let before = self.text.get(*begin..offset).unwrap_or_default().chars().count();
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        Position { line: at.line, column: at.column.saturating_add(before) }
    }
}

/// A part of a line that knows where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    line: &'a Line,
    content: &'a str,
    offset: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn as_str(self) -> &'a str {
        self.content
    }

    pub(crate) fn is_empty(self) -> bool {
        self.content.is_empty()
    }

    pub(crate) fn at(self) -> Position {
        self.line.position(self.offset)
    }

    pub(crate) fn word(self) -> Word {
        Word { text: self.content.to_owned(), at: self.at() }
    }

    /// From where it begins to the end of its line, spaces there included.
    pub(crate) fn to_line_end(self) -> &'a str {
        self.line.text.get(self.offset..).unwrap_or(self.content)
    }

    pub(crate) fn heredocs(self) -> &'a [Heredoc] {
        &self.line.heredocs
    }

    pub(crate) fn last_line(self) -> u32 {
        self.line.last
    }

    /// What begins with the byte `from`, which a character begins with.
    pub(crate) fn after(self, from: usize) -> Self {
        let text = self.content.get(from..).unwrap_or_default();
        Self { content: text, offset: self.offset + self.content.len() - text.len(), ..self }
    }

    pub(crate) fn before(self, end: usize) -> Self {
        Self { content: self.content.get(..end).unwrap_or(self.content), ..self }
    }

    pub(crate) fn trim(self) -> Self {
        let trimmed = self.after(self.content.len() - self.content.trim_start().len());
        trimmed.before(trimmed.content.trim_end().len())
    }

    /// The first word and what follows it.
    pub(crate) fn first_word(self) -> (Self, Self) {
        let text = self.trim();
        let end = text.content.find(SPACES).unwrap_or(text.content.len());
        (text.before(end), text.after(end).trim())
    }

    pub(crate) fn error(self, problem: Problem) -> DockerfileError {
        DockerfileError::at(self.at(), problem)
    }
}
