//! What the stages of a file need is found in their instructions.

use std::collections::HashMap;

use crate::error::{DockerfileError, Problem};
use crate::expand::Expander;
use crate::file::{Dockerfile, Stage};
use crate::graph::{Graph, Node, Origin, Use};
use crate::instruction::{Command, Instruction};
use crate::keyword::Keyword;
use crate::mount::mount_source;
use crate::scope::{Globals, Inputs};
use crate::suggest::nearest;

type Outcome<T> = Result<T, DockerfileError>;

impl Dockerfile {
    /// Finds out what its stages need.
    pub fn graph(&self, globals: &Globals, inputs: &Inputs) -> Outcome<Graph> {
        let mut names = HashMap::new();
        let mut nodes = Vec::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let (mut base, platform) = base(stage, &names, globals, inputs)
                .map_err(|error| error.in_instruction(Keyword::From))?;
            if let Some(name) = &stage.from.name {
                // A later stage of the same name is meant from there on.
                names.insert(name.as_str(), number);
            }
            let context = stage.from.name.as_deref().and_then(|name| inputs.context(name));
            let is_replaced = context.is_some();
            if let Some(context) = context {
                base = Origin::Context(context.to_owned());
            }
            let name = stage.from.name.clone().unwrap_or_else(|| format!("stage-{number}"));
            nodes.push(Node { name, base, is_replaced, platform, uses: Vec::new() });
        }
        let mut graph = Graph { nodes };
        graph.target(inputs.target.as_deref())?;
        let places = Places { names, count: self.stages.len(), inputs };
        for (node, stage) in graph.nodes.iter_mut().zip(&self.stages) {
            if node.is_replaced {
                continue;
            }
            for (number, instruction) in stage.instructions.iter().enumerate() {
                let found = uses(number, instruction, &places, self.directives.escape)
                    .map_err(|error| error.in_instruction(instruction.command.keyword()))?;
                node.uses.extend(found);
            }
        }
        graph.refuse_circles()?;
        Ok(graph)
    }
}

/// What a stage is made on; only stages before it are.
fn base(
    stage: &Stage,
    names: &HashMap<&str, usize>,
    globals: &Globals,
    inputs: &Inputs,
) -> Outcome<(Origin, Option<String>)> {
    let value = |name: &str| globals.value(name);
    let expander = Expander::new(globals.escape(), &value);
    let from = &stage.from;
    let base = expander.word(&from.base)?.text;
    if base.is_empty() {
        let problem = Problem::BlankBase(from.base.text.clone());
        return Err(DockerfileError::at(from.base.at, problem));
    }
    let platform = from.platform.as_ref().map(|platform| {
        let text = expander.word(platform)?.text;
        if text.is_empty() {
            let written: String =
                platform.text.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
            let nearest = nearest(&written, globals.names()).map(str::to_owned);
            let problem = Problem::BlankPlatform { word: platform.text.clone(), nearest };
            return Err(DockerfileError::at(platform.at, problem));
        }
        Ok(text)
    });
    let origin = match names.get(base.as_str()) {
        Some(number) => Origin::Stage(*number),
        None => elsewhere(&base, inputs),
    };
    Ok((origin, platform.transpose()?))
}

/// What is of this name and no stage.
fn elsewhere(name: &str, inputs: &Inputs) -> Origin {
    match inputs.context(name) {
        Some(context) => Origin::Context(context.to_owned()),
        None if name == "scratch" => Origin::Scratch,
        None => Origin::Image(name.to_owned()),
    }
}

/// Where the files of a use may come from.
struct Places<'a> {
    names: HashMap<&'a str, usize>,
    count: usize,
    inputs: &'a Inputs,
}

impl Places<'_> {
    fn named(&self, name: &str) -> Origin {
        match self.names.get(name.to_lowercase().as_str()) {
            Some(number) => Origin::Stage(*number),
            None => elsewhere(name, self.inputs),
        }
    }
}

fn uses(
    number: usize,
    instruction: &Instruction,
    places: &Places<'_>,
    escape: char,
) -> Outcome<Vec<Use>> {
    let mut found = Vec::new();
    match &instruction.command {
        Command::Copy(files) => {
            let Some(from) = &files.from else { return Ok(found) };
            let plain = Expander::new(escape, &|_| None).word(from)?;
            if plain.text != from.text {
                return Err(DockerfileError::at(from.at, Problem::VariableFrom));
            }
            let index = || DockerfileError::at(from.at, Problem::StageIndex(from.text.clone()));
            let digits = from.text.strip_prefix('-').unwrap_or(&from.text);
            let origin = if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let stage = from.text.parse().ok().filter(|stage| *stage < places.count);
                Origin::Stage(stage.ok_or_else(index)?)
            } else {
                places.named(&from.text)
            };
            found.push(Use { instruction: number, mount: None, from: from.clone(), origin });
        }
        Command::Run(run) => {
            for (mount, word) in run.mounts.iter().enumerate() {
                let (from, target) = mount_source(word)?;
                if let Some(from) = from {
                    let origin = places.named(&from.text);
                    let mount = Some((mount, target));
                    found.push(Use { instruction: number, mount, from, origin });
                }
            }
        }
        _ => {}
    }
    Ok(found)
}
