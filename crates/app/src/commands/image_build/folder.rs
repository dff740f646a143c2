//! A folder and its Dockerfile, before anything is built. All of it blocks.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path};

use naru_dockerfile::{Command, Dockerfile, Instruction};
use naru_ipc::{BuildArgument, BuildFolder, BuildLines, BuildProblem};

use crate::AppError;
use crate::local_file::failed;

/// The usual name.
const USUAL: &str = "Dockerfile";
/// The largest Dockerfile that is read.
const MAX_TEXT: u64 = 8 << 20;
/// More Dockerfiles than anybody chooses from.
const MAX_FOUND: usize = 50;
/// The arguments that the builder gives by itself.
const AUTOMATIC: [&str; 8] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
];

/// Looks into the folder; an empty name stands for the usual Dockerfile.
pub(super) fn look(folder: &Path, dockerfile: &str) -> Result<BuildFolder, AppError> {
    let found = dockerfiles(folder)?;
    let usual = found.first().map_or(USUAL, String::as_str);
    let dockerfile = if dockerfile.is_empty() { usual.to_owned() } else { dockerfile.to_owned() };
    let mut looked = BuildFolder {
        text: text(folder, &dockerfile)?,
        dockerfile,
        found,
        problem: None,
        stages: Vec::new(),
        arguments: Vec::new(),
    };
    let Some(text) = &looked.text else { return Ok(looked) };
    match Dockerfile::parse(text) {
        Ok(file) => {
            let names = file.stages.iter().filter_map(|stage| stage.from.name.clone());
            looked.stages = names.collect();
            looked.arguments = arguments(&file);
        }
        Err(error) => {
            let line = error.at.map(|at| at.line);
            looked.problem = Some(BuildProblem { line, message: error.problem.to_string() });
        }
    }
    Ok(looked)
}

/// The Dockerfile's text; none when there is no such file.
pub(super) fn text(folder: &Path, dockerfile: &str) -> Result<Option<String>, AppError> {
    let inside = Path::new(dockerfile).components();
    if inside.clone().next().is_none()
        || !inside.clone().all(|part| matches!(part, Component::Normal(_)))
    {
        return Err(AppError::InvalidName {
            what: "path in the folder",
            name: dockerfile.to_owned(),
        });
    }
    let path = folder.join(dockerfile);
    let unreadable = |source| failed("read", &path, source);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(AppError::NoFile { path });
    }
    let mut text = Vec::new();
    file.take(MAX_TEXT).read_to_end(&mut text).map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// The names in the folder itself that are a Dockerfile's, the usual one first.
fn dockerfiles(folder: &Path) -> Result<Vec<String>, AppError> {
    let unreadable = |source| failed("read", folder, source);
    if !folder.is_absolute() {
        let name = folder.display().to_string();
        return Err(AppError::InvalidName { what: "path from the root", name });
    }
    if !fs::metadata(folder).map_err(unreadable)?.is_dir() {
        return Err(AppError::NoFolder { path: folder.to_owned() });
    }
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_dockerfile(name)).collect();
    names.sort_unstable_by_key(|name| (name != USUAL, name.clone()));
    names.truncate(MAX_FOUND);
    Ok(names)
}

fn is_dockerfile(name: &str) -> bool {
    let small = name.to_lowercase();
    let is_named = ["dockerfile", "containerfile"].iter().any(|usual| {
        small == *usual
            || small.strip_prefix(usual).is_some_and(|rest| rest.starts_with('.'))
            || small.strip_suffix(usual).is_some_and(|rest| rest.ends_with('.'))
    });
    is_named && !small.ends_with(".dockerignore")
}

/// What the file can be given, each once, where it is said first.
fn arguments(file: &Dockerfile) -> Vec<BuildArgument> {
    let mut arguments: Vec<BuildArgument> = Vec::new();
    let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
    for instruction in file.arguments.iter().chain(stages) {
        let Command::Arg(declared) = &instruction.command else { continue };
        for argument in declared {
            let name = &argument.name.text;
            let known = arguments.iter().any(|known| known.name == *name);
            if !known && !AUTOMATIC.contains(&name.as_str()) {
                let default = argument.default.as_ref().map(|word| word.text.clone());
                let (name, default) = (name.clone(), default.unwrap_or_default());
                arguments.push(BuildArgument { name, default });
            }
        }
    }
    arguments
}

/// An instruction as a build names it, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) lines: BuildLines,
}

/// What is known of a Dockerfile while it is built; nothing of one that makes no sense, of
/// which the engine says why.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The instructions of all stages, in the file's order.
    pub(super) instructions: Vec<Placed>,
    /// The images that stages are made on, as far as their names are written out.
    pub(super) images: Vec<String>,
}

impl Known {
    pub(super) fn of(text: &str) -> Self {
        let Ok(file) = Dockerfile::parse(text) else { return Self::default() };
        let mut known = Self::default();
        for stage in &file.stages {
            let line = stage.at.line;
            let lines = BuildLines { first: line, last: line };
            known.instructions.push(Placed { text: stage.source.clone(), lines });
            known.instructions.extend(stage.instructions.iter().map(placed));
            let image = &stage.from.base.text;
            let is_stage =
                file.stages.iter().any(|other| other.from.name.as_deref() == Some(image.as_str()));
            if !is_stage && !image.contains('$') {
                known.images.push(image.clone());
            }
        }
        known
    }
}

fn placed(instruction: &Instruction) -> Placed {
    let lines = BuildLines { first: instruction.at.line, last: instruction.last_line };
    Placed { text: instruction.source.clone(), lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_dockerfiles_and_what_they_can_be_given() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        let nothing = look(folder, "").unwrap();
        assert_eq!((nothing.dockerfile.as_str(), nothing.text), ("Dockerfile", None));
        let text = "ARG BASE=busybox\nFROM $BASE AS Base\nARG TARGETARCH\nARG A B=2\nFROM base AS last\nARG A=3\n";
        for name in ["web.Dockerfile", "Dockerfile", "Dockerfile.dockerignore", "notes.txt"] {
            fs::write(folder.join(name), text).unwrap();
        }
        let looked = look(folder, "").unwrap();
        assert_eq!(looked.found, ["Dockerfile", "web.Dockerfile"]);
        assert_eq!(looked.stages, ["base", "last"]);
        let arguments: Vec<_> = looked
            .arguments
            .iter()
            .map(|argument| (argument.name.as_str(), argument.default.as_str()))
            .collect();
        assert_eq!(arguments, [("BASE", "busybox"), ("A", ""), ("B", "2")]);
        fs::write(folder.join("Dockerfile"), "FROM a\nRUM b\n").unwrap();
        let problem = look(folder, "Dockerfile").unwrap().problem.unwrap();
        assert_eq!(problem.line, Some(2));
        assert!(problem.message.contains("RUM"), "{}", problem.message);
    }

    #[test]
    fn what_is_outside_of_the_folder_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("app");
        fs::create_dir(&folder).unwrap();
        fs::write(home.path().join("Dockerfile"), "FROM a").unwrap();
        let outside = home.path().join("Dockerfile").display().to_string();
        for bad in ["../Dockerfile", outside.as_str(), "a/../../Dockerfile"] {
            assert!(matches!(look(&folder, bad), Err(AppError::InvalidName { .. })), "{bad}");
        }
        assert!(matches!(look(Path::new("app"), ""), Err(AppError::InvalidName { .. })));
        let file = home.path().join("Dockerfile");
        assert!(matches!(look(&file, ""), Err(AppError::NoFolder { .. })));
    }

    #[test]
    fn images_are_named_but_stages_and_variables_are_not() {
        let known = Known::of("FROM ghcr.io/a/b:1 AS one\nFROM one\nFROM $X\nRUN a \\\n  b\n");
        assert_eq!(known.images, ["ghcr.io/a/b:1"]);
        let last = known.instructions.last().unwrap();
        assert_eq!(last.lines, BuildLines { first: 4, last: 5 });
    }
}
