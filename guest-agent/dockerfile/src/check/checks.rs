//! What is found, and what the lines alone show.

use std::collections::{HashMap, HashSet};

use super::options::CheckOptions;
use super::rules::{self, Rule};
use crate::directives::directive;
use crate::error::{DockerfileError, Problem};
use crate::flags::take_flags;
use crate::keyword::Keyword;
use crate::position::Word;
use crate::source::{Source, read};
use crate::text::{Line, Text};
use crate::words::{plain_words, quoted_words};

/// More than this nobody reads, and a file can be made to have one of each of its words.
const FOUND_MAX: usize = 200;
const RESERVED: [&str; 2] = ["context", "scratch"];

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that says so.
    pub rule: &'static Rule,
    /// What is wrong.
    pub message: String,
    /// The first and the last line of what it is about.
    pub lines: (u32, u32),
}

impl Finding {
    /// In one line, with the rule's name and the place.
    pub fn short(&self) -> String {
        format!("{}: {} (line {})", self.rule.name, self.message, self.lines.0)
    }
}

/// The checks of one file.
#[derive(Debug)]
pub struct Checks {
    pub(super) source: Source,
    options: CheckOptions,
    /// What a comment right above an instruction says, by the line that this begins in.
    above: HashMap<u32, CheckOptions>,
    found: Vec<Finding>,
}

impl Checks {
    /// The checks of `text`, as its directive says which, or else whoever builds (`asked`).
    pub fn new(text: &str, asked: Option<&str>) -> Result<Self, DockerfileError> {
        let source = read(text)?;
        let options = asked.or(source.directives.check.as_deref()).unwrap_or_default();
        let options = CheckOptions::parse(options).map_err(DockerfileError::nowhere)?;
        let above = source.lines.iter().filter_map(|line| {
            let comments = line.comments.iter();
            let mut said = comments.filter_map(|comment| check_comment(comment));
            Some((line.text().at().line, CheckOptions::parse(&said.next()?).ok()?))
        });
        Ok(Self { options, above: above.collect(), source, found: Vec::new() })
    }

    /// What has been found so far.
    pub fn found(&self) -> &[Finding] {
        &self.found
    }

    /// Why no build is to come of this, if the file or whoever builds wants it so.
    pub fn failure(&self) -> Option<DockerfileError> {
        if !self.options.is_error || self.found.is_empty() {
            return None;
        }
        let mut seen = HashSet::new();
        let names = self.found.iter().map(|finding| finding.rule.name);
        let names: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
        Some(DockerfileError::nowhere(Problem::Checks(names.join(", "))))
    }

    pub(super) fn report(&mut self, rule: &'static Rule, lines: (u32, u32), message: String) {
        let is_covered = |options: &CheckOptions| options.covers(rule.name, rule.is_experimental);
        let here = self.above.get(&lines.0);
        let is_made = if rule.is_experimental {
            is_covered(&self.options) || here.is_some_and(is_covered)
        } else {
            is_covered(&self.options) && here.is_none_or(is_covered)
        };
        if is_made && !self.is_full() {
            self.found.push(Finding { rule, message, lines });
        }
    }

    /// Looks at the lines, each for itself and all beside each other.
    pub fn text(&mut self) {
        let lines = std::mem::take(&mut self.source.lines);
        for line in lines.iter().filter(|line| line.has_empty) {
            let at = line.continued_to;
            let message = "Empty continuation line".to_owned();
            self.report(&rules::NO_EMPTY_CONTINUATION, (at, at), message);
        }
        for line in &lines {
            self.line(line);
        }
        self.stage_names(&lines);
        self.casing(&lines);
        self.source.lines = lines;
    }

    fn line(&mut self, line: &Line) {
        match Keyword::of(name(line)) {
            Some(Keyword::Maintainer) => {
                let message = "Maintainer instruction is deprecated in favor of using label";
                self.report(&rules::MAINTAINER_DEPRECATED, lines(line), message.to_owned());
            }
            Some(Keyword::From) => self.from(line),
            Some(Keyword::Arg) => {
                let words = quoted_words(arguments(line, self.escape()), self.escape());
                let names = words.iter().map(|word| {
                    word.text.split_once('=').map_or(word.text.as_str(), |(name, _)| name)
                });
                self.description(line, "ARG", &names.collect::<Vec<_>>());
            }
            _ => {}
        }
    }

    fn from(&mut self, line: &Line) {
        let words = plain_words(arguments(line, self.escape()));
        let [_, r#as, stage] = words.as_slice() else { return };
        if stage.text != stage.text.to_lowercase() {
            let message = format!("Stage name '{}' should be lowercase", stage.text);
            self.report(&rules::STAGE_NAME_CASING, lines(line), message);
        }
        let from = name(line);
        let fits = match casing(from) {
            Some(Casing::Lower) => r#as.text == r#as.text.to_lowercase(),
            Some(Casing::Upper) => r#as.text == r#as.text.to_uppercase(),
            // That is another rule's.
            None => true,
        };
        if !fits {
            let message = format!("'{}' and '{from}' keywords' casing do not match", r#as.text);
            self.report(&rules::FROM_AS_CASING, lines(line), message);
        }
        self.description(line, "FROM", &[&stage.text.to_lowercase()]);
    }

    /// A comment right above a stage or an argument is taken for its description.
    fn description(&mut self, line: &Line, keyword: &str, names: &[&str]) {
        let (Some(comment), Some(first)) = (line.comments.last(), names.first()) else { return };
        if names.contains(&comment.split(' ').next().unwrap_or_default()) {
            return;
        }
        let example = if names.len() > 1 { "<arg_key>" } else { first };
        let message =
            format!("Comment for {keyword} should follow the format: `# {example} <description>`");
        self.report(&rules::INVALID_DEFINITION_DESCRIPTION, lines(line), message);
    }

    fn stage_names(&mut self, all: &[Line]) {
        let mut seen = HashSet::new();
        for line in all.iter().filter(|line| Keyword::of(name(line)) == Some(Keyword::From)) {
            let words: Vec<Word> = plain_words(arguments(line, self.escape()));
            let [_, _, stage] = words.as_slice() else { continue };
            let stage = stage.text.to_lowercase();
            if RESERVED.contains(&stage.as_str()) {
                let message =
                    format!("Stage name should not use the same name as reserved stage {stage:?}");
                self.report(&rules::RESERVED_STAGE_NAME, lines(line), message);
            }
            if !seen.insert(stage.clone()) {
                let message =
                    format!("Duplicate stage name {stage:?}, stage names should be unique");
                self.report(&rules::DUPLICATE_STAGE_NAME, lines(line), message);
            }
        }
    }

    /// Instructions are to be written in the letters that most of them are written in.
    fn casing(&mut self, all: &[Line]) {
        let is_before = |line: &&Line| Keyword::of(name(line)) != Some(Keyword::From);
        let of_stages: Vec<&Line> = all.iter().skip_while(is_before).collect();
        let count =
            |wanted| of_stages.iter().filter(|line| casing(name(line)) == Some(wanted)).count();
        let (wanted, word) = if count(Casing::Lower) > count(Casing::Upper) {
            (Casing::Lower, "lowercase")
        } else {
            (Casing::Upper, "uppercase")
        };
        for line in of_stages.into_iter().filter(|line| casing(name(line)) != Some(wanted)) {
            let message = format!(
                "Command '{}' should match the case of the command majority ({word})",
                name(line)
            );
            self.report(&rules::CONSISTENT_INSTRUCTION_CASING, lines(line), message);
        }
    }

    /// Whether nothing more is told.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= FOUND_MAX
    }

    pub(super) fn escape(&self) -> char {
        self.source.directives.escape
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Casing {
    Lower,
    Upper,
}

/// The letters that a keyword is written in, if they are all of one size.
fn casing(name: &str) -> Option<Casing> {
    if name == name.to_lowercase() {
        return Some(Casing::Lower);
    }
    (name == name.to_uppercase()).then_some(Casing::Upper)
}

/// The keyword as it is written.
fn name(line: &Line) -> &str {
    line.text().first_word().0.as_str()
}

fn arguments(line: &Line, escape: char) -> Text<'_> {
    take_flags(line.text().first_word().1, escape).1
}

fn lines(line: &Line) -> (u32, u32) {
    (line.text().at().line, line.last)
}

/// What `# check=` says above an instruction; what follows a space is a note.
fn check_comment(comment: &str) -> Option<String> {
    let line = format!("#{comment}");
    let (name, value) = directive(&line)?;
    let options = value.split(' ').next().unwrap_or_default();
    (name == "check").then(|| options.to_owned())
}
