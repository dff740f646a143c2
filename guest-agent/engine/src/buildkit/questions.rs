//! What a client asks of a Dockerfile without building it: `--call outline` and `targets`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use naru_buildkit::BuildError;
use naru_dockerfile::{Command, Dockerfile, Expander, Inputs, Mount, MountKind, Stage, Word};
use naru_error::ErrorKind;
use serde_json::{Value, json};

use super::solution::Read;
use super::{checks, failure};
use crate::build::DockerfileText;

/// Those that are answered, and what they are for.
const QUESTIONS: [(&str, &str); 4] = [
    (checks::QUESTION, "Lint a Dockerfile"),
    ("frontend.outline", "List all parameters current build target supports"),
    ("frontend.targets", "List all targets current build supports"),
    ("frontend.subrequests.describe", "List available subrequest types"),
];
pub(super) const VERSION: &str = "1.0.0";

pub(super) type Answer = BTreeMap<String, Vec<u8>>;

/// The answer, as JSON and as text.
pub(super) fn answer(question: &str, read: &Read) -> Result<Answer, BuildError> {
    let (json, text) = match question {
        "frontend.outline" => outline(read)?,
        "frontend.targets" => targets(&read.file, &read.dockerfile),
        "frontend.subrequests.describe" => describe(),
        _ => {
            let message = format!("unsupported request {question:?}");
            return Err(
                BuildError::new(ErrorKind::Unsupported, message).unsupported_subrequest(question)
            );
        }
    };
    Ok(Answer::from([
        ("result.json".to_owned(), json.to_string().into_bytes()),
        ("result.txt".to_owned(), text.into_bytes()),
        ("version".to_owned(), VERSION.as_bytes().to_vec()),
    ]))
}

fn describe() -> (Value, String) {
    let mut rows = vec![["NAME", "VERSION", "DESCRIPTION"].map(str::to_owned)];
    let described = QUESTIONS.map(|(name, description)| {
        rows.push([name, VERSION, description].map(str::to_owned));
        let mut metadata = vec![json!({ "name": "result.json" }), json!({ "name": "result.txt" })];
        if name == checks::QUESTION {
            metadata.push(json!({ "name": "result.statuscode" }));
        }
        json!({
            "name": name, "version": VERSION, "type": "rpc", "description": description,
            "metadata": metadata,
        })
    });
    (json!(described), table(&rows))
}

fn targets(file: &Dockerfile, dockerfile: &DockerfileText) -> (Value, String) {
    let last = file.stages.len().saturating_sub(1);
    let mut rows = vec![["TARGET".to_owned(), "DESCRIPTION".to_owned()]];
    let targets = file.stages.iter().enumerate().map(|(number, stage)| {
        let is_default = number == last;
        let mut target = json!({
            "base": stage.from.base.text,
            "location": location(stage.at.line),
        });
        if is_default {
            target["default"] = json!(true);
        }
        if let Some(name) = &stage.from.name {
            target["name"] = json!(name);
        }
        let description = comment(dockerfile, stage.at.line, stage.from.name.as_deref());
        if !description.is_empty() {
            target["description"] = json!(description);
        }
        if stage.from.name.is_some() || is_default {
            let name = stage.from.name.clone().unwrap_or_default();
            let mark = if is_default { " (default)" } else { "" };
            rows.push([format!("{name}{mark}").trim().to_owned(), description]);
        }
        target
    });
    let targets: Vec<Value> = targets.collect();
    let sources = [STANDARD.encode(&dockerfile.text)];
    (json!({ "targets": targets, "sources": sources }), table(&rows))
}

fn outline(read: &Read) -> Result<(Value, String), BuildError> {
    let Read { asked, file, dockerfile, .. } = read;
    let told = |error: naru_dockerfile::DockerfileError| failure::told(&error.into(), dockerfile);
    let inputs = Inputs {
        arguments: asked.options.arguments.clone(),
        target: asked.options.target.clone(),
        contexts: asked.contexts.keys().cloned().collect(),
        ..Inputs::default()
    };
    let globals = file.globals(&inputs).map_err(told)?;
    let graph = file.graph(&globals, &inputs).map_err(told)?;
    let target = graph.target(inputs.target.as_deref()).map_err(told)?;
    let needed = graph.needed(target).map_err(told)?;
    let stages: Vec<&Stage> = needed.iter().map(|number| &file.stages[*number]).collect();
    let all = file.arguments.iter().chain(stages.iter().flat_map(|stage| &stage.instructions));
    let mut parameters = Parameters::default();
    for instruction in all {
        match &instruction.command {
            Command::Arg(arguments) => {
                for argument in arguments {
                    let given = inputs.arguments.get(&argument.name.text);
                    let default = argument.default.as_ref().map(|word| &word.text);
                    let line = instruction.at.line;
                    let description = comment(dockerfile, line, Some(&argument.name.text));
                    parameters.argument(&argument.name, given.or(default), &description);
                }
            }
            Command::Run(run) => {
                let nothing = |_: &str| None;
                let expander = Expander::new(file.directives.escape, &nothing);
                for word in &run.mounts {
                    let mount = Mount::read(word, expander).map_err(told)?;
                    parameters.mount(&mount, instruction.at.line);
                }
            }
            _ => {}
        }
    }
    let stage = &file.stages[target];
    let name = stage.from.name.clone().unwrap_or_default();
    let description = comment(dockerfile, stage.at.line, stage.from.name.as_deref());
    Ok(parameters.outline(&name, &description, dockerfile))
}

/// What can be given to a target.
#[derive(Default)]
struct Parameters {
    arguments: Vec<Value>,
    secrets: Vec<Value>,
    agents: Vec<Value>,
    caches: Vec<Value>,
}

impl Parameters {
    fn argument(&mut self, name: &Word, value: Option<&String>, description: &str) {
        if self.arguments.iter().any(|known| known["name"] == name.text.as_str()) {
            return;
        }
        let mut argument = json!({ "name": name.text, "location": location(name.at.line) });
        if let Some(value) = value {
            argument["value"] = json!(value);
        }
        if !description.is_empty() {
            argument["description"] = json!(description);
        }
        self.arguments.push(argument);
    }

    fn mount(&mut self, mount: &Mount, line: u32) {
        let target = mount.target.clone().unwrap_or_default();
        let base = target.rsplit('/').next().unwrap_or_default().to_owned();
        let id = mount.id.clone();
        let (list, id) = match mount.kind {
            MountKind::Secret => (&mut self.secrets, id.unwrap_or(base)),
            MountKind::Ssh => (&mut self.agents, id.unwrap_or_else(|| "default".to_owned())),
            MountKind::Cache => (&mut self.caches, id.unwrap_or(target)),
            _ => return,
        };
        if list.iter().any(|known| known["name"] == id.as_str() || known["ID"] == id.as_str()) {
            return;
        }
        let key = if mount.kind == MountKind::Cache { "ID" } else { "name" };
        let mut parameter = json!({ key: id, "location": location(line) });
        if mount.required {
            parameter["required"] = json!(true);
        }
        list.push(parameter);
    }

    fn outline(
        self,
        name: &str,
        description: &str,
        dockerfile: &DockerfileText,
    ) -> (Value, String) {
        let mut parts = Vec::new();
        for (title, value) in [("TARGET", name), ("DESCRIPTION", description)] {
            if !value.is_empty() {
                let title = format!("{title}:");
                parts.push(format!("{title:<13}{value}\n"));
            }
        }
        let cell = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        if !self.arguments.is_empty() {
            let mut rows =
                vec![["BUILD ARG".to_owned(), "VALUE".to_owned(), "DESCRIPTION".to_owned()]];
            rows.extend(self.arguments.iter().map(|argument| {
                [cell(argument, "name"), cell(argument, "value"), cell(argument, "description")]
            }));
            parts.push(format!("\n{}", table(&rows)));
        }
        for (title, list) in [("SECRET", &self.secrets), ("SSH", &self.agents)] {
            if !list.is_empty() {
                let mut rows = vec![[title.to_owned(), "REQUIRED".to_owned()]];
                rows.extend(list.iter().map(|parameter| {
                    let is_required = parameter["required"] == true;
                    let mark = if is_required { "true" } else { "" };
                    [cell(parameter, "name"), mark.to_owned()]
                }));
                parts.push(format!("\n{}", table(&rows)));
            }
        }
        let mut outline = json!({ "sources": [STANDARD.encode(&dockerfile.text)] });
        for (key, value) in [
            ("name", json!(name)),
            ("description", json!(description)),
            ("args", json!(self.arguments)),
            ("secrets", json!(self.secrets)),
            ("ssh", json!(self.agents)),
            ("cache", json!(self.caches)),
        ] {
            if value != json!("") && value != json!([]) {
                outline[key] = value;
            }
        }
        (outline, parts.concat())
    }
}

/// The comment right above a line, if it begins with the name of what it is about.
fn comment(dockerfile: &DockerfileText, line: u32, name: Option<&str>) -> String {
    let Some(name) = name else { return String::new() };
    let lines: Vec<&str> = dockerfile.text.lines().collect();
    let above = lines.get(..usize::try_from(line).unwrap_or(0).saturating_sub(1)).unwrap_or(&[]);
    let comments = above.iter().rev().map_while(|line| line.trim().strip_prefix('#'));
    let about = comments.map(str::trim).filter_map(|comment| {
        comment.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')).map(str::trim)
    });
    about.last().unwrap_or_default().to_owned()
}

fn location(line: u32) -> Value {
    let at = json!({ "line": line });
    json!({ "sourceIndex": 0, "ranges": [{ "start": at, "end": at }] })
}

/// Columns as wide as what is in them.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ARG BASE=busybox\n# app is what runs\nFROM $BASE AS app\nFROM app\n";

    #[test]
    fn targets_are_listed_with_what_is_said_above_them() {
        let file = Dockerfile::parse(TEXT).unwrap();
        let dockerfile = DockerfileText { name: String::new(), text: TEXT.to_owned() };
        let (json, text) = targets(&file, &dockerfile);
        assert_eq!(json["targets"][0]["name"], "app");
        assert_eq!(json["targets"][0]["description"], "is what runs");
        assert_eq!(json["targets"][1]["default"], true);
        assert_eq!(text, "TARGET      DESCRIPTION\napp         is what runs\n(default)\n");
    }
}
