//! The file becomes logical lines: directives and comments read, continued lines put together,
//! here-documents taken to the lines they belong to.

use std::iter::Zip;
use std::mem;
use std::ops::RangeFrom;
use std::str::SplitInclusive;

use crate::directives::{DirectiveReader, Directives};
use crate::error::{DockerfileError, Problem};
use crate::flags::take_flags;
use crate::heredoc::{Heredoc, documents_of};
use crate::keyword::Keyword;
use crate::parse::check_words;
use crate::position::Position;
use crate::text::{Line, Text};
use crate::words::json;

/// The most that Docker's reader takes in a line.
const LINE_MAX: usize = 65_535;

/// A file that has been read, and not yet understood.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) directives: Directives,
    pub(crate) lines: Vec<Line>,
}

/// Reads a file's lines.
pub(crate) fn read(text: &str) -> Result<Source, DockerfileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Rest { lines: (1..).zip(text.split_inclusive('\n')) };
    let mut reader = DirectiveReader::default();
    let mut lines = Vec::new();
    let mut comments = Vec::new();
    while let Some((at, raw)) = rest.next()? {
        let text = raw.trim_end_matches(['\r', '\n']);
        let trimmed = text.trim_start();
        let is_directive = reader.see(trimmed);
        if is_directive.map_err(|problem| DockerfileError::at(at, problem))? {
            continue;
        }
        if is_nothing(trimmed) {
            match trimmed.strip_prefix('#').map(str::trim) {
                None | Some("") => comments.clear(),
                Some(comment) => comments.push(comment.to_owned()),
            }
            continue;
        }
        let escape = reader.found.escape;
        let indented = text.len() - trimmed.len();
        let column = text.get(..indented).unwrap_or_default().chars().count();
        let column = at.column.saturating_add(u32::try_from(column).unwrap_or(u32::MAX));
        let mut line = Line::default();
        line.comments = mem::take(&mut comments);
        let mut goes_on = push(&mut line, trimmed, Position { column, ..at }, escape);
        while goes_on && let Some((at, raw)) = rest.next()? {
            let text = raw.trim_end_matches(['\r', '\n']);
            // Also in the middle of an instruction.
            let trimmed = text.trim_start();
            line.has_empty |= trimmed.is_empty();
            line.continued_to = at.line;
            if !is_nothing(trimmed) {
                goes_on = push(&mut line, text, at, escape);
            }
        }
        check_words(line.text(), escape)?;
        take_documents(&mut line, &mut rest, escape)?;
        lines.push(line);
    }
    Ok(Source { directives: reader.found, lines })
}

/// The lines that have not been read yet.
struct Rest<'a> {
    lines: Zip<RangeFrom<u32>, SplitInclusive<'a, char>>,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Result<Option<(Position, &'a str)>, DockerfileError> {
        let Some((line, text)) = self.lines.next() else { return Ok(None) };
        let at = Position { line, column: 1 };
        if text.trim_end_matches('\n').len() > LINE_MAX {
            return Err(DockerfileError::at(at, Problem::LineTooLong(LINE_MAX)));
        }
        Ok(Some((at, text)))
    }
}

fn is_nothing(trimmed: &str) -> bool {
    trimmed.is_empty() || trimmed.starts_with('#')
}

/// Whether the line goes on: an escape character stands at its end, and not one before it.
fn push(line: &mut Line, text: &str, at: Position, escape: char) -> bool {
    let continued = text
        .trim_end_matches([' ', '\t'])
        .strip_suffix(escape)
        .filter(|before| !before.ends_with(escape));
    line.push(continued.unwrap_or(text), at);
    continued.is_some()
}

fn take_documents(
    line: &mut Line,
    rest: &mut Rest<'_>,
    escape: char,
) -> Result<(), DockerfileError> {
    let text = line.text();
    if !text.as_str().contains("<<") || !takes_documents(text, escape)? {
        return Ok(());
    }
    let begin = text.at();
    let mut documents = documents_of(text.as_str()).map_err(|problem| text.error(problem))?;
    for document in &mut documents {
        line.last = read_document(document, rest, begin)?;
    }
    line.heredocs = documents;
    Ok(())
}

fn takes_documents(text: Text<'_>, escape: char) -> Result<bool, DockerfileError> {
    let (mut name, mut rest) = text.first_word();
    if Keyword::of(name.as_str()) == Some(Keyword::OnBuild) {
        (name, rest) = take_flags(rest, escape).1.first_word();
    }
    if !Keyword::of(name.as_str()).is_some_and(Keyword::takes_documents) {
        return Ok(false);
    }
    Ok(json(take_flags(rest, escape).1)?.is_none())
}

/// Reads a document's lines, and says which the last was.
fn read_document(
    document: &mut Heredoc,
    rest: &mut Rest<'_>,
    begin: Position,
) -> Result<u32, DockerfileError> {
    while let Some((at, raw)) = rest.next()? {
        let mut end = raw.trim_end_matches(['\r', '\n']);
        if document.strips_tabs {
            end = end.trim_start_matches('\t');
        }
        if end == document.name {
            return Ok(at.line);
        }
        document.content.push_str(raw);
    }
    Err(DockerfileError::at(begin, Problem::UnterminatedHeredoc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let source = read(text).unwrap();
        source.lines.iter().map(|line| line.text().as_str().to_owned()).collect()
    }

    #[test]
    fn comments_go_and_continued_lines_are_one() {
        let text = "  # note\nENV a=b \\  \n# in between\n\n  c=d\r\nCMD x \\\\\n\nUSER y\\";
        assert_eq!(lines(text), ["ENV a=b   c=d", "CMD x \\\\", "USER y"]);
        assert_eq!(lines(""), [""; 0]);
        assert_eq!(lines("\u{feff}# escape=`\nRUN a `\n  b\\\nUSER x"), ["RUN a   b\\", "USER x"]);
    }

    #[test]
    fn comments_right_above_a_line_are_told_with_it() {
        let text = "# check=skip=all\n# a\n#\n# b\n # c\nFROM x\n# d\n\nRUN a \\\n\n# e\n  b";
        let source = read(text).unwrap();
        assert_eq!(source.lines[0].comments, ["b", "c"], "no directive is one");
        assert_eq!(source.lines[1].comments, [""; 0]);
        assert!(source.lines[1].has_empty && !source.lines[0].has_empty);
        assert_eq!(source.lines[1].continued_to, 12);
    }

    #[test]
    fn words_are_where_they_were_written() {
        let source = read("\n  RUN ä \\\n\n # note\n    more\n").unwrap();
        let line = &source.lines[0];
        let (run, rest) = line.text().first_word();
        assert_eq!(run.at().to_string(), "2:3");
        assert_eq!(rest.first_word().0.at().to_string(), "2:7");
        assert_eq!(rest.first_word().1.at().to_string(), "5:5");
        assert_eq!(line.last, 5);
    }

    #[test]
    fn documents_belong_to_the_line_that_names_them() {
        let text = "COPY <<a <<-\"b\" /\n1 \\\n# x\na\n\t2\r\n\tb\nONBUILD RUN <<e\ny\ne\nUSER x";
        let source = read(text).unwrap();
        let documents = &source.lines[0].heredocs;
        assert_eq!((documents[0].content.as_str(), documents[0].expands), ("1 \\\n# x\n", true));
        assert_eq!((documents[1].content.as_str(), documents[1].expands), ("\t2\r\n", false));
        assert_eq!((source.lines[0].last, source.lines[1].last), (6, 9));
        assert_eq!(source.lines[1].heredocs[0].content, "y\n");
        assert_eq!(source.lines.len(), 3);
        // Neither of these has any.
        assert_eq!(lines("RUN [\"a\", \"<<b\"]\nCMD a <<b\nRUN $((1<<2))").len(), 3);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        let error = read("FROM x\nRUN a <<b\nc").unwrap_err();
        assert_eq!(error.to_string(), "unterminated heredoc");
        assert_eq!(error.at, Some(Position { line: 2, column: 1 }));
        let long = format!("RUN {}\n", "x".repeat(65_532));
        let error = read(&long).unwrap_err().to_string();
        assert_eq!(error, "dockerfile line greater than max allowed size of 65535");
        read(&long[1..]).unwrap();
    }
}
