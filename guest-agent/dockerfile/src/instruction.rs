//! What an instruction says, once its words have been told apart.

use crate::health::Healthcheck;
use crate::heredoc::Heredoc;
use crate::keyword::Keyword;
use crate::position::{Position, Word};
use crate::words::Pair;

/// An instruction, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it begins.
    pub at: Position,
    /// Its last line, here-documents included.
    pub last_line: u32,
    /// The instruction as it was written, its lines put together.
    pub source: String,
    /// Whether it is one of the base image's triggers, and does not stand in this file.
    pub is_trigger: bool,
    /// What it says.
    pub command: Command,
}

/// What an instruction says. Words have their quotes and variables until they are expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `ADD`
    Add(Transfer),
    /// `ARG`: names, and values for those that are not given otherwise.
    Arg(Vec<Argument>),
    /// `CMD`
    Cmd(CommandLine),
    /// `COPY`
    Copy(Transfer),
    /// `ENTRYPOINT`
    Entrypoint(CommandLine),
    /// `ENV`
    Env(Vec<Pair>),
    /// `EXPOSE`: ports as they are written, see [`exposed_ports`](crate::exposed_ports).
    Expose(Vec<Word>),
    /// `FROM`
    From(From),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `LABEL`
    Label(Vec<Pair>),
    /// `MAINTAINER`
    Maintainer(Word),
    /// `ONBUILD`: the trigger as it was written, with its here-documents.
    OnBuild(Word),
    /// `RUN`
    Run(Run),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`
    StopSignal(Word),
    /// `USER`
    User(Word),
    /// `VOLUME`
    Volume(Vec<Word>),
    /// `WORKDIR`
    WorkDir(Word),
}

impl Command {
    /// What the instruction begins with.
    pub fn keyword(&self) -> Keyword {
        match self {
            Self::Add(_) => Keyword::Add,
            Self::Arg(_) => Keyword::Arg,
            Self::Cmd(_) => Keyword::Cmd,
            Self::Copy(_) => Keyword::Copy,
            Self::Entrypoint(_) => Keyword::Entrypoint,
            Self::Env(_) => Keyword::Env,
            Self::Expose(_) => Keyword::Expose,
            Self::From(_) => Keyword::From,
            Self::Healthcheck(_) => Keyword::Healthcheck,
            Self::Label(_) => Keyword::Label,
            Self::Maintainer(_) => Keyword::Maintainer,
            Self::OnBuild(_) => Keyword::OnBuild,
            Self::Run(_) => Keyword::Run,
            Self::Shell(_) => Keyword::Shell,
            Self::StopSignal(_) => Keyword::StopSignal,
            Self::User(_) => Keyword::User,
            Self::Volume(_) => Keyword::Volume,
            Self::WorkDir(_) => Keyword::WorkDir,
        }
    }
}

/// `FROM`: where a stage begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// The image or stage that it is made on.
    pub base: Word,
    /// The platform of that.
    pub platform: Option<Word>,
    /// The stage's name, in small letters.
    pub name: Option<String>,
}

/// A name of `ARG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name.
    pub name: Word,
    /// The value if none is given.
    pub default: Option<Word>,
}

/// A command: its words, or a line for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// The program and its arguments.
    Exec(Vec<String>),
    /// What the shell is to make of it.
    Shell(String),
}

/// `ADD` and `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Paths, patterns, and for `ADD` URLs.
    pub sources: Vec<Word>,
    /// Files that are written in the Dockerfile.
    pub documents: Vec<Document>,
    /// Where it all goes.
    pub destination: Word,
    /// `--from`: a stage's name or number, or an image. `COPY` only.
    pub from: Option<Word>,
    /// `--chown`
    pub chown: Option<Word>,
    /// `--chmod`
    pub chmod: Option<Word>,
    /// `--link`
    pub link: bool,
    /// `--parents`; `COPY` only.
    pub parents: bool,
    /// `--exclude`: patterns as in `.dockerignore`.
    pub exclude: Vec<Word>,
    /// `--checksum`; `ADD` only.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`; `ADD` only.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`: whether archives are, which without it those of the context are. `ADD` only.
    pub unpack: Option<bool>,
}

/// A file that is written in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub content: String,
    /// Whether variables in it are filled in.
    pub expands: bool,
}

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The command, as it is written.
    pub line: CommandLine,
    /// The here-documents of its line.
    pub documents: Vec<Heredoc>,
    /// `--mount`, as they are written.
    pub mounts: Vec<Word>,
    /// `--network`
    pub network: Network,
    /// `--security`
    pub security: Security,
}

/// The network that a `RUN` is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// That of the build.
    #[default]
    Default,
    /// None but its loopback.
    None,
    /// The host's.
    Host,
}

/// What a `RUN` may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// As much as a container.
    #[default]
    Sandbox,
    /// All, if the build was started with leave for it.
    Insecure,
}

/// What a `RUN` is to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// The program and its arguments.
    Exec(Vec<String>),
    /// A line, or several, for the shell.
    Shell(String),
    /// A file that says itself by what it is run; it is put into the container while it runs.
    Script(Document),
}

impl Run {
    /// What is executed, with the here-documents put where they belong.
    pub fn execution(&self) -> Execution {
        let line = match &self.line {
            CommandLine::Exec(words) => return Execution::Exec(words.clone()),
            CommandLine::Shell(line) => line,
        };
        let Some(first) = self.documents.first() else {
            return Execution::Shell(line.clone());
        };
        if crate::heredoc::document(line).is_ok_and(|document| document.is_some()) {
            let content = first.stripped();
            if !content.starts_with("#!") {
                return Execution::Shell(content);
            }
            return Execution::Script(Document {
                name: first.name.clone(),
                content,
                expands: false,
            });
        }
        // The shell reads them itself.
        let mut line = line.clone();
        for document in &self.documents {
            line.push('\n');
            line.push_str(&document.content);
            line.push_str(&document.name);
        }
        Execution::Shell(line)
    }
}
