//! The `FROM`s, once the arguments are known.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::checks::Checks;
use super::rules;
use crate::expand::Expander;
use crate::file::{Dockerfile, Stage};
use crate::instruction::Command;
use crate::position::Word;
use crate::scope::{Globals, Inputs};
use crate::suggest::nearest;

const TARGET_PLATFORM: &str = "TARGETPLATFORM";

/// A word with its variables filled in, and those that were asked for.
struct Filled {
    text: String,
    known: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

impl Checks {
    /// Looks at what stages are made on. `is_image` says whether a text can name an image.
    pub fn bases(
        &mut self,
        file: &Dockerfile,
        globals: &Globals,
        inputs: &Inputs,
        is_image: &dyn Fn(&str) -> bool,
    ) {
        self.defaults(file, inputs, is_image);
        let declared = file.arguments.iter().filter_map(|one| match &one.command {
            Command::Arg(arguments) => Some(arguments),
            _ => None,
        });
        let mut names: Vec<&str> =
            declared.flatten().map(|argument| argument.name.text.as_str()).collect();
        names.extend(globals.names());
        for stage in &file.stages {
            let lines = lines(stage);
            let Some(base) = filled(&stage.from.base, globals) else { continue };
            self.undeclared(&base, &names, lines);
            let Some(word) = &stage.from.platform else { continue };
            let Some(platform) = filled(word, globals) else { continue };
            self.undeclared(&platform, &names, lines);
            let is_target = platform.unknown.is_empty()
                && platform.known.iter().eq([TARGET_PLATFORM])
                && globals.value(TARGET_PLATFORM).as_ref() == Some(&platform.text);
            if is_target {
                let message = format!(
                    "Setting platform to predefined {} in FROM is redundant as this is the \
                     default behavior",
                    word.text
                );
                self.report(&rules::REDUNDANT_TARGET_PLATFORM, lines, message);
            }
            let is_constant = platform.known.is_empty() && platform.unknown.is_empty();
            let stage_name = stage.from.name.as_deref().unwrap_or_default();
            if is_constant && !names_platform(stage_name, &platform.text, inputs) {
                let text = &platform.text;
                let message =
                    format!("FROM --platform flag should not use constant value {text:?}");
                self.report(&rules::FROM_PLATFORM_FLAG_CONST_DISALLOWED, lines, message);
            }
        }
    }

    /// Images are to be named also where no argument is given.
    fn defaults(&mut self, file: &Dockerfile, inputs: &Inputs, is_image: &dyn Fn(&str) -> bool) {
        let nothing = Inputs { arguments: BTreeMap::new(), ..inputs.clone() };
        // Where that is an error it is one for who is not given all arguments.
        let Ok(globals) = file.globals(&nothing) else { return };
        for stage in &file.stages {
            let Some(base) = filled(&stage.from.base, &globals) else { return };
            if !is_image(&base.text) {
                let message = format!(
                    "Default value for ARG {} results in empty or invalid base image name",
                    stage.from.base.text
                );
                self.report(&rules::INVALID_DEFAULT_ARG_IN_FROM, lines(stage), message);
            }
        }
    }

    fn undeclared(&mut self, filled: &Filled, names: &[&str], lines: (u32, u32)) {
        for name in filled.unknown.iter().filter(|name| !names.contains(&name.as_str())) {
            let meant = nearest(name, names.iter().copied());
            let meant = meant.map(|meant| format!(" (did you mean {meant}?)")).unwrap_or_default();
            let message = format!("FROM argument '{name}' is not declared{meant}");
            self.report(&rules::UNDEFINED_ARG_IN_FROM, lines, message);
        }
    }
}

fn lines(stage: &Stage) -> (u32, u32) {
    (stage.at.line, stage.at.line)
}

/// None is an error, which a build says better.
fn filled(word: &Word, globals: &Globals) -> Option<Filled> {
    let (known, unknown) = (RefCell::new(BTreeSet::new()), RefCell::new(BTreeSet::new()));
    let value = |name: &str| {
        let value = globals.value(name);
        let seen = if value.is_some() { &known } else { &unknown };
        seen.borrow_mut().insert(name.to_owned());
        value
    };
    let text = Expander::new(globals.escape(), &value).word(word).ok()?.text;
    Some(Filled { text, known: known.into_inner(), unknown: unknown.into_inner() })
}

/// Whether the stage's name says that it is for a platform of its own; so does one that is none.
fn names_platform(stage: &str, platform: &str, inputs: &Inputs) -> bool {
    let parts: Vec<&str> = platform.split('/').collect();
    let (system, architecture) = match parts.as_slice() {
        [one @ ("linux" | "windows" | "darwin" | "freebsd")] => {
            (*one, inputs.build_platform.architecture.as_str())
        }
        [one] => (inputs.build_platform.os.as_str(), *one),
        [system, architecture] | [system, architecture, _] => (*system, *architecture),
        _ => return true,
    };
    let architecture = match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    [system, architecture].iter().any(|part| part.is_empty() || stage.contains(part))
}
