//! Where something stands in a Dockerfile.

use std::fmt::{Display, Formatter, Result};

/// A place in the text. Both numbers count from 1; columns are characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character in it.
    pub column: u32,
}

impl Display for Position {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A part of an instruction, and where it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The text; quotes and variables are as they were written until it is expanded.
    pub text: String,
    /// Its first character.
    pub at: Position,
}

impl Word {
    /// The same place with another text.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        Self { text, at: self.at }
    }
}
