//! The instructions of stages, once their base images are known.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::checks::Checks;
use super::rules::{self, Rule};
use crate::expand::Expander;
use crate::file::Dockerfile;
use crate::flags::take_flags;
use crate::graph::{Graph, Origin};
use crate::ignore::{Ignore, clean};
use crate::instruction::{Argument, Command, CommandLine, Instruction, Transfer};
use crate::mount::Mount;
use crate::position::Word;
use crate::remote::Place;
use crate::scope::{Globals, Inputs, Scope};
use crate::suggest::nearest;
use crate::text::{Line, SPACES};
use crate::words::quoted_words;

/// A part of a name that says that nobody else is to know the value, and one that says otherwise.
const SECRETS: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];
const NO_SECRETS: [&str; 3] = ["public", "file", "version"];
/// No process is told of these, so that nothing is defined by them.
const SILENT: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// What of an image is to be known of who is made on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// `NAME=value`
    pub environment: Vec<String>,
    /// Whether it names a shell of its own.
    pub has_shell: bool,
}

/// A stage as far as it was gone through.
#[derive(Clone, Debug, Default)]
struct State {
    scope: Scope,
    has_shell: bool,
    has_directory: bool,
    /// Where that of which only the last counts has stood.
    once: HashMap<&'static str, (u32, u32)>,
}

/// What is the same for all stages.
struct Surroundings<'a> {
    globals: &'a Globals,
    inputs: &'a Inputs,
    ignore: Option<&'a Ignore>,
}

impl Checks {
    /// Looks at the instructions of `stages`, which are in the file's order and have those that
    /// they are made on among them. `base` knows what is no stage.
    pub fn stages(
        &mut self,
        (file, graph): (&Dockerfile, &Graph),
        stages: &[usize],
        (globals, inputs): (&Globals, &Inputs),
        base: &dyn Fn(usize) -> Base,
        ignore: Option<&Ignore>,
    ) {
        let surroundings = Surroundings { globals, inputs, ignore };
        let mut made: HashMap<usize, State> = HashMap::new();
        for &number in stages {
            let node = &graph.nodes[number];
            if node.is_replaced {
                made.insert(number, State::on(&base(number)));
                continue;
            }
            let mut state = match &node.base {
                Origin::Stage(other) => made.get(other).cloned().unwrap_or_default(),
                _ => State::on(&base(number)),
            };
            state.once.clear();
            for instruction in &file.stages[number].instructions {
                self.instruction(&mut state, instruction, &surroundings);
            }
            made.insert(number, state);
        }
    }

    fn instruction(&mut self, state: &mut State, one: &Instruction, all: &Surroundings<'_>) {
        let lines = (one.at.line, one.last_line);
        let unknown = RefCell::new(BTreeSet::new());
        let value = |name: &str| {
            let value = state.scope.value(name);
            if value.is_none() {
                unknown.borrow_mut().insert(name.to_owned());
            }
            value
        };
        let expander = Expander::new(self.escape(), &value);
        // What is wrong with a word is an error of the build.
        let Ok(command) = one.expanded(expander).map(|one| one.command) else { return };
        match &command {
            Command::Run(run) => {
                for mount in &run.mounts {
                    drop(Mount::read(mount, expander));
                }
            }
            // As in BuildKit nobody asks for what stands in these.
            Command::Expose(ports) => {
                unknown.borrow_mut().clear();
                self.ports(ports, lines);
            }
            _ => {}
        }
        self.undefined(&state.scope, unknown.into_inner(), lines);
        let name = one.source.split(SPACES).next().unwrap_or_default();
        match &command {
            Command::Arg(arguments) => self.arguments(&mut state.scope, arguments, lines, all),
            Command::Env(pairs) => {
                self.legacy(one, name, lines);
                for pair in pairs {
                    self.secret("ENV", &pair.name.text, lines);
                    state.scope.set(&pair.name.text, &pair.value.text);
                }
            }
            Command::Label(_) => self.legacy(one, name, lines),
            Command::Cmd(line) => {
                self.once(state, "CMD", name, lines);
                self.json(state, line, name, lines);
            }
            Command::Entrypoint(line) => {
                self.once(state, "ENTRYPOINT", name, lines);
                self.json(state, line, name, lines);
            }
            Command::Healthcheck(_) => self.once(state, "HEALTHCHECK", name, lines),
            Command::Shell(_) => state.has_shell = true,
            Command::WorkDir(directory) => {
                if !state.has_directory && !directory.text.starts_with('/') {
                    let message = format!(
                        "Relative workdir {:?} can have unexpected results if the base image \
                         changes",
                        directory.text
                    );
                    self.report(&rules::WORKDIR_RELATIVE_PATH, lines, message);
                }
                state.has_directory = true;
            }
            Command::Copy(transfer) if transfer.from.is_none() => {
                self.ignored("Copy", transfer, all.ignore, lines);
            }
            Command::Add(transfer) => self.ignored("Add", transfer, all.ignore, lines),
            _ => {}
        }
    }

    fn undefined(&mut self, scope: &Scope, unknown: BTreeSet<String>, lines: (u32, u32)) {
        let is_silent = |name: &str| SILENT.contains(&name) || scope.is_declared(name);
        for name in unknown.into_iter().filter(|name| !is_silent(name)) {
            // What is near is looked for among all there are.
            if self.is_full() {
                return;
            }
            let known = scope.environment().iter().map(|(name, _)| name.as_str());
            let meant = nearest(&name, known);
            let meant = meant.map(|meant| format!(" (did you mean ${meant}?)")).unwrap_or_default();
            let message = format!("Usage of undefined variable '${name}'{meant}");
            self.report(&rules::UNDEFINED_VAR, lines, message);
        }
    }

    fn arguments(
        &mut self,
        scope: &mut Scope,
        arguments: &[Argument],
        lines: (u32, u32),
        all: &Surroundings<'_>,
    ) {
        for argument in arguments {
            let name = &argument.name.text;
            self.secret("ARG", name, lines);
            let is_given = all.inputs.arguments.contains_key(name);
            if let (Some(default), false) = (&argument.default, is_given) {
                let unknown = RefCell::new(BTreeSet::new());
                let value = |name: &str| {
                    let value = scope.value(name);
                    if value.is_none() {
                        unknown.borrow_mut().insert(name.to_owned());
                    }
                    value
                };
                drop(Expander::new(self.escape(), &value).word(default));
                self.undefined(scope, unknown.into_inner(), lines);
            }
            // What cannot be filled in is the build's error.
            drop(scope.declare(std::slice::from_ref(argument), all.globals, all.inputs));
        }
    }

    fn secret(&mut self, keyword: &str, name: &str, lines: (u32, u32)) {
        let lower = name.to_lowercase();
        let has = |parts: &[&str]| lower.split('_').any(|part| parts.contains(&part));
        if has(&SECRETS) && !has(&NO_SECRETS) {
            let message = format!(
                "Do not use ARG or ENV instructions for sensitive data ({keyword} {name:?})"
            );
            self.report(&rules::SECRETS_USED_IN_ARG_OR_ENV, lines, message);
        }
    }

    /// The first word has no `=` where a space stands for it.
    fn legacy(&mut self, instruction: &Instruction, name: &str, lines: (u32, u32)) {
        let mut line = Line::default();
        line.push(&instruction.source, instruction.at);
        let (_, arguments) = take_flags(line.text().first_word().1, self.escape());
        let words = quoted_words(arguments, self.escape());
        if words.first().is_some_and(|first| !first.text.contains('=')) {
            let message = format!(
                "\"{name} key=value\" should be used instead of legacy \"{name} key value\" format"
            );
            self.report(&rules::LEGACY_KEY_VALUE_FORMAT, lines, message);
        }
    }

    /// What is told is the one that does not count.
    fn once(&mut self, state: &mut State, keyword: &'static str, name: &str, lines: (u32, u32)) {
        if let Some(earlier) = state.once.insert(keyword, lines) {
            let message = format!(
                "Multiple {name} instructions should not be used in the same stage because only \
                 the last one will be used"
            );
            self.report(&rules::MULTIPLE_INSTRUCTIONS_DISALLOWED, earlier, message);
        }
    }

    fn json(&mut self, state: &State, line: &CommandLine, name: &str, lines: (u32, u32)) {
        if matches!(line, CommandLine::Shell(_)) && !state.has_shell {
            let message = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to \
                 OS signals"
            );
            self.report(&rules::JSON_ARGS_RECOMMENDED, lines, message);
        }
    }

    fn ports(&mut self, ports: &[Word], lines: (u32, u32)) {
        let mut say = |rule: &'static Rule, message: String| self.report(rule, lines, message);
        for Word { text, .. } in ports {
            let (before, container) = text.rsplit_once(':').unwrap_or(("", text));
            let protocol = container.split_once('/').map_or("", |(_, protocol)| protocol);
            if protocol != protocol.to_lowercase() {
                let message =
                    format!("Defined protocol '{text}' in EXPOSE instruction should be lowercase");
                say(&rules::EXPOSE_PROTO_CASING, message);
            }
            if !before.trim_matches(':').is_empty() {
                let message = format!(
                    "EXPOSE instruction should not define an IP address or host-port mapping, \
                     found '{text}'"
                );
                say(&rules::EXPOSE_INVALID_FORMAT, message);
            }
        }
    }

    /// With exceptions it cannot be told from a directory's name whether all in it is ignored.
    fn ignored(
        &mut self,
        verb: &str,
        transfer: &Transfer,
        ignore: Option<&Ignore>,
        lines: (u32, u32),
    ) {
        let Some(ignore) = ignore.filter(|ignore| !ignore.has_exceptions()) else { return };
        for source in &transfer.sources {
            let is_remote = !matches!(Place::of(&source.text), Ok(Place::Path));
            if verb == "Add" && is_remote {
                continue;
            }
            let path = clean(&source.text);
            let is_root = matches!(path.as_str(), "." | "/");
            let is_ignored = if is_root { ignore.ignores_all() } else { ignore.is_ignored(&path) };
            if is_ignored {
                let message =
                    format!("Attempting to {verb} file {path:?} that is excluded by .dockerignore");
                self.report(&rules::COPY_IGNORED_FILE, lines, message);
            }
        }
    }
}

impl State {
    fn on(base: &Base) -> Self {
        let mut scope = Scope::of_image(&base.environment);
        // There always is one.
        if scope.value("PATH").is_none() {
            scope.set("PATH", "");
        }
        Self { scope, has_shell: base.has_shell, ..Self::default() }
    }
}
