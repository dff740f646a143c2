//! A line becomes an instruction.

use crate::error::{DockerfileError, Problem};
use crate::flags::{Flags, take_flags};
use crate::health::healthcheck;
use crate::heredoc::document;
use crate::instruction::{
    Argument, Command, CommandLine, Document, From, Instruction, Network, Run, Security, Transfer,
};
use crate::keyword::Keyword;
use crate::mount::check_mount;
use crate::position::Word;
use crate::text::{Line, Text};
use crate::words::{json, pairs, plain_words, quoted_words};

type Outcome<T> = Result<T, DockerfileError>;

/// Understands a line.
pub(crate) fn instruction(line: &Line, escape: char) -> Outcome<Instruction> {
    let text = line.text();
    let (name, rest) = text.first_word();
    let Some(keyword) = Keyword::of(name.as_str()) else {
        let nearest = Keyword::nearest(name.as_str());
        return Err(name.error(Problem::UnknownInstruction { name: name.word().text, nearest }));
    };
    let (flags, arguments) = take_flags(rest, escape);
    // An error about what is missing is where the instruction begins.
    let arguments = if arguments.is_empty() { text.before(0) } else { arguments };
    let command = command(keyword, &flags, arguments, escape);
    Ok(Instruction {
        at: text.at(),
        last_line: text.last_line(),
        source: text.as_str().to_owned(),
        is_trigger: false,
        command: command.map_err(|error| error.in_instruction(keyword))?,
    })
}

fn command(keyword: Keyword, flags: &[Word], text: Text<'_>, escape: char) -> Outcome<Command> {
    // When both are wrong, it is as in Docker which of flags and arguments is spoken of.
    let flags = Flags::check(keyword, flags);
    let command = match keyword {
        Keyword::Add => return transfer(keyword, flags, text).map(Command::Add),
        Keyword::Copy => return transfer(keyword, flags, text).map(Command::Copy),
        Keyword::From => return from(flags, text).map(Command::From),
        Keyword::Healthcheck => return healthcheck(flags, text).map(Command::Healthcheck),
        Keyword::Run => return run(&flags?, text).map(Command::Run),
        Keyword::Cmd | Keyword::Entrypoint | Keyword::Env | Keyword::Label | Keyword::Shell => {
            flags?;
            return Ok(match keyword {
                Keyword::Cmd => Command::Cmd(command_line(text)?),
                Keyword::Entrypoint => Command::Entrypoint(command_line(text)?),
                Keyword::Env => Command::Env(pairs(text, escape, keyword)?),
                Keyword::Label => Command::Label(pairs(text, escape, keyword)?),
                _ => Command::Shell(shell(text)?),
            });
        }
        Keyword::Arg => Command::Arg(arguments(text, escape)?),
        Keyword::Expose => Command::Expose(ports(text)?),
        Keyword::Maintainer => Command::Maintainer(single(keyword, text)?),
        Keyword::OnBuild => Command::OnBuild(trigger(text)?),
        Keyword::StopSignal => Command::StopSignal(single(keyword, text)?),
        Keyword::User => Command::User(single(keyword, text)?),
        Keyword::Volume => Command::Volume(volumes(text)?),
        Keyword::WorkDir => Command::WorkDir(single(keyword, text)?),
    };
    flags.map(|_| command)
}

fn single(keyword: Keyword, text: Text<'_>) -> Outcome<Word> {
    if text.is_empty() {
        return Err(text.error(Problem::ExactlyOne(keyword.as_str())));
    }
    Ok(text.word())
}

pub(crate) fn command_line(text: Text<'_>) -> Outcome<CommandLine> {
    Ok(match json(text)? {
        Some(words) => CommandLine::Exec(texts(words)),
        None => CommandLine::Shell(text.as_str().to_owned()),
    })
}

fn texts(words: Vec<Word>) -> Vec<String> {
    words.into_iter().map(|word| word.text).collect()
}

fn arguments(text: Text<'_>, escape: char) -> Outcome<Vec<Argument>> {
    let words = quoted_words(text, escape);
    if words.is_empty() {
        return Err(text.error(Problem::AtLeastOne("ARG")));
    }
    let argument = |word: Word| match word.text.split_once('=') {
        Some(("", _)) => Err(DockerfileError::at(word.at, Problem::BlankName("ARG"))),
        Some((name, default)) => Ok(Argument {
            name: word.with_text(name.to_owned()),
            default: Some(word.with_text(default.to_owned())),
        }),
        None => Ok(Argument { name: word, default: None }),
    };
    words.into_iter().map(argument).collect()
}

fn ports(text: Text<'_>) -> Outcome<Vec<Word>> {
    let mut ports = plain_words(text);
    if ports.is_empty() {
        return Err(text.error(Problem::AtLeastOne("EXPOSE")));
    }
    ports.sort_by(|one, other| one.text.cmp(&other.text));
    Ok(ports)
}

fn from(flags: Outcome<Flags>, text: Text<'_>) -> Outcome<From> {
    let words = plain_words(text);
    let (base, name) = match words.as_slice() {
        [base] => (base, None),
        [base, r#as, name] if r#as.text.eq_ignore_ascii_case("as") => (base, Some(name)),
        _ => return Err(text.error(Problem::FromArguments)),
    };
    let name = name.map(stage_name).transpose()?;
    Ok(From { base: base.clone(), platform: flags?.text("platform"), name })
}

fn stage_name(word: &Word) -> Outcome<String> {
    let name = word.text.to_lowercase();
    let is_valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_valid {
        Ok(name)
    } else {
        Err(DockerfileError::at(word.at, Problem::StageName(word.text.clone())))
    }
}

fn transfer(keyword: Keyword, flags: Outcome<Flags>, text: Text<'_>) -> Outcome<Transfer> {
    let mut words = json(text)?.unwrap_or_else(|| plain_words(text));
    let is_document = |word: &Word| document(&word.text).is_ok_and(|document| document.is_some());
    let destination = match words.pop() {
        Some(destination) if !words.is_empty() => destination,
        _ => return Err(text.error(Problem::NoDestination(keyword.as_str()))),
    };
    let flags = flags?;
    if is_document(&destination) {
        let problem = Problem::HeredocDestination(keyword.as_str());
        return Err(DockerfileError::at(destination.at, problem));
    }
    let (documents, sources): (Vec<_>, Vec<_>) = words.into_iter().partition(is_document);
    let documents = documents.iter().filter_map(|word| {
        let asked = document(&word.text).ok().flatten()?;
        // In a list in JSON it is asked for, and nothing is read for it.
        let read = text.heredocs().iter().rev().find(|read| read.name == asked.name);
        let mut asked = asked;
        asked.content = read.map(|read| read.content.clone()).unwrap_or_default();
        let content = asked.stripped();
        Some(Document { name: asked.name, content, expands: asked.expands })
    });
    Ok(Transfer {
        documents: documents.collect(),
        sources,
        destination,
        from: flags.text("from"),
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        exclude: flags.texts("exclude"),
        checksum: flags.text("checksum"),
        keep_git_dir: flags.switch("keep-git-dir"),
        unpack: flags.switch("unpack"),
    })
}

fn run(flags: &Flags, text: Text<'_>) -> Outcome<Run> {
    let mounts = flags.texts("mount");
    mounts.iter().try_for_each(check_mount)?;
    Ok(Run {
        line: command_line(text)?,
        documents: text.heredocs().to_vec(),
        mounts,
        network: chosen(flags, "network", &NETWORKS, Problem::Network)?,
        security: chosen(flags, "security", &SECURITIES, Problem::Security)?,
    })
}

const NETWORKS: [(&str, Network); 3] =
    [("default", Network::Default), ("none", Network::None), ("host", Network::Host)];
const SECURITIES: [(&str, Security); 2] =
    [("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];

/// One of the values that a flag takes; nothing is not one of them.
fn chosen<T: Copy + Default>(
    flags: &Flags,
    name: &str,
    values: &[(&str, T)],
    wrong: fn(String) -> Problem,
) -> Outcome<T> {
    let Some(word) = flags.texts(name).into_iter().next() else { return Ok(T::default()) };
    match values.iter().find(|(value, _)| *value == word.text) {
        Some((_, value)) => Ok(*value),
        None => Err(DockerfileError::at(word.at, wrong(word.text))),
    }
}

fn shell(text: Text<'_>) -> Outcome<Vec<String>> {
    match json(text)? {
        Some(words) if !words.is_empty() => Ok(texts(words)),
        None if !text.is_empty() => Err(text.error(Problem::NotJson("SHELL"))),
        _ => Err(text.error(Problem::AtLeastOne("SHELL"))),
    }
}

fn volumes(text: Text<'_>) -> Outcome<Vec<Word>> {
    let volumes = json(text)?.unwrap_or_else(|| plain_words(text));
    if volumes.is_empty() {
        return Err(text.error(Problem::AtLeastOne("VOLUME")));
    }
    let trimmed = volumes.into_iter().map(|volume| match volume.text.trim() {
        "" => Err(DockerfileError::at(volume.at, Problem::EmptyVolume)),
        path => Ok(volume.with_text(path.to_owned())),
    });
    trimmed.collect()
}

/// The trigger is understood when an image is made on this one; here it is only kept from being
/// what it never can be.
fn trigger(text: Text<'_>) -> Outcome<Word> {
    let name = text.first_word().0;
    match Keyword::of(name.as_str()) {
        _ if name.is_empty() => return Err(text.error(Problem::AtLeastOne("ONBUILD"))),
        Some(Keyword::OnBuild) => return Err(name.error(Problem::ChainedTrigger)),
        Some(keyword @ (Keyword::Maintainer | Keyword::From)) => {
            return Err(name.error(Problem::Trigger(keyword.as_str())));
        }
        _ => {}
    }
    // Spaces at its end are of it.
    let mut trigger = Word { text: text.to_line_end().to_owned(), at: text.at() };
    for document in text.heredocs() {
        trigger.text.push('\n');
        trigger.text.push_str(&document.content);
        trigger.text.push_str(&document.name);
    }
    Ok(trigger)
}

/// What is wrong with the words of an instruction or a trigger, whatever is to become of them.
/// Docker finds this in all of the file before it looks at any instruction.
pub(crate) fn check_words(text: Text<'_>, escape: char) -> Outcome<()> {
    let (mut name, mut rest) = text.first_word();
    loop {
        let arguments = take_flags(rest, escape).1;
        let Some(keyword) = Keyword::of(name.as_str()) else { return Ok(()) };
        let checked = match keyword {
            Keyword::OnBuild => {
                (name, rest) = arguments.first_word();
                continue;
            }
            Keyword::Env | Keyword::Label => match pairs(arguments, escape, keyword) {
                Err(error) if matches!(error.problem, Problem::NoEquals(_)) => Err(error),
                Err(error) if matches!(error.problem, Problem::TwoArguments(_)) => Err(error),
                _ => Ok(()),
            },
            Keyword::Healthcheck => json(arguments.first_word().1).map(drop),
            Keyword::Add
            | Keyword::Cmd
            | Keyword::Copy
            | Keyword::Entrypoint
            | Keyword::Run
            | Keyword::Shell
            | Keyword::Volume => json(arguments).map(drop),
            _ => Ok(()),
        };
        return checked.map_err(|error| error.in_instruction(keyword));
    }
}
