//! Which parts of which instructions have variables.

use crate::error::{DockerfileError, Problem};
use crate::expand::Expander;
use crate::instruction::{Command, Document, Instruction, Transfer};
use crate::position::{Position, Word};
use crate::words::Pair;

type Outcome<T> = Result<T, DockerfileError>;

impl Instruction {
    /// The instruction with its variables filled in and its quotes taken away, where it has such.
    /// `ARG` and `FROM` are filled in by the scope that they are in, mounts of `RUN` when they
    /// are read.
    pub fn expanded(&self, expander: Expander<'_>) -> Outcome<Self> {
        let command = expanded(&self.command, expander, self.at);
        let command = command.map_err(|error| error.in_instruction(self.command.keyword()))?;
        Ok(Self { command, ..self.clone() })
    }
}

fn expanded(command: &Command, expander: Expander<'_>, at: Position) -> Outcome<Command> {
    let word = |word: &Word| expander.word(word);
    Ok(match command {
        Command::Add(files) => Command::Add(transfer(files, expander, at)?),
        Command::Copy(files) => Command::Copy(transfer(files, expander, at)?),
        Command::Env(pairs) => Command::Env(each_pair(pairs, expander)?),
        Command::Label(pairs) => Command::Label(each_pair(pairs, expander)?),
        Command::Expose(ports) => {
            let ports: Vec<Vec<Word>> =
                ports.iter().map(|port| expander.words(port)).collect::<Outcome<_>>()?;
            Command::Expose(ports.concat())
        }
        Command::StopSignal(signal) => Command::StopSignal(word(signal)?),
        Command::User(user) => Command::User(word(user)?),
        Command::Volume(volumes) => {
            let volumes: Vec<Word> = volumes.iter().map(word).collect::<Outcome<_>>()?;
            if let Some(empty) = volumes.iter().find(|volume| volume.text.is_empty()) {
                return Err(DockerfileError::at(empty.at, Problem::EmptyVolume));
            }
            Command::Volume(volumes)
        }
        Command::WorkDir(directory) => Command::WorkDir(word(directory)?),
        Command::Arg(_)
        | Command::Cmd(_)
        | Command::Entrypoint(_)
        | Command::From(_)
        | Command::Healthcheck(_)
        | Command::Maintainer(_)
        | Command::OnBuild(_)
        | Command::Run(_)
        | Command::Shell(_) => command.clone(),
    })
}

fn each_pair(pairs: &[Pair], expander: Expander<'_>) -> Outcome<Vec<Pair>> {
    let pair = |pair: &Pair| {
        Ok(Pair { name: expander.word(&pair.name)?, value: expander.word(&pair.value)? })
    };
    pairs.iter().map(pair).collect()
}

fn transfer(files: &Transfer, expander: Expander<'_>, at: Position) -> Outcome<Transfer> {
    let word = |word: &Word| expander.word(word);
    // A flag of which nothing is left is none.
    let optional = |text: &Option<Word>| {
        let text = text.as_ref().map(word).transpose()?;
        Outcome::Ok(text.filter(|text| !text.text.is_empty()))
    };
    let document = |document: &Document| {
        if !document.expands {
            return Ok(document.clone());
        }
        let content = expander.document(&document.content);
        let content = content.map_err(|problem| DockerfileError::at(at, problem))?;
        Ok(Document { content, ..document.clone() })
    };
    Ok(Transfer {
        sources: files.sources.iter().map(word).collect::<Outcome<_>>()?,
        documents: files.documents.iter().map(document).collect::<Outcome<_>>()?,
        destination: word(&files.destination)?,
        chown: optional(&files.chown)?,
        chmod: optional(&files.chmod)?,
        checksum: optional(&files.checksum)?,
        ..files.clone()
    })
}
