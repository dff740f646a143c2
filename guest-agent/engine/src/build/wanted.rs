//! Which files of a client's directory a build needs, so that no others need be sent.

use naru_dockerfile::{Command, Expander, Instruction, Mount, MountKind, Origin, Word};

use super::building::Building;

/// What has one of these is not yet what it will be.
const UNFINISHED: [char; 4] = ['$', '"', '\'', '\\'];

impl Building {
    /// The paths and patterns of a context that the instructions of all needed stages name; none
    /// if that cannot be said before variables are filled in, or if it is all of it.
    pub(super) fn wanted_paths(&self, context: Option<&str>) -> Vec<String> {
        let mut paths = Vec::new();
        for number in &self.stages {
            let node = &self.graph.nodes[*number];
            for (index, instruction) in self.file.stages[*number].instructions.iter().enumerate() {
                let comes_from = |mount: Option<usize>| {
                    let used = node.uses.iter().find(|used| {
                        let at = used.mount.as_ref().map(|(number, _)| *number);
                        used.instruction == index && at == mount
                    });
                    match used.map(|used| &used.origin) {
                        None => context.is_none(),
                        Some(Origin::Context(name)) => Some(name.as_str()) == context,
                        Some(_) => false,
                    }
                };
                let Some(named) = named(instruction, &comes_from) else { return Vec::new() };
                paths.extend(named);
            }
        }
        let is_whole = |path: &String| path.trim_matches(['/', '.']).is_empty();
        if paths.iter().any(is_whole) {
            return Vec::new();
        }
        paths.sort();
        paths.dedup();
        paths
    }
}

/// What an instruction names of the context; none if that is not known yet.
fn named(
    instruction: &Instruction,
    comes_from: &dyn Fn(Option<usize>) -> bool,
) -> Option<Vec<String>> {
    let mut paths = Vec::new();
    let mut add = |text: &str| {
        let is_known = !text.contains(UNFINISHED);
        paths.push(text.to_owned());
        is_known
    };
    match &instruction.command {
        Command::Copy(transfer) | Command::Add(transfer) if comes_from(None) => {
            let is_known = transfer.sources.iter().all(|source: &Word| add(&source.text));
            is_known.then_some(paths)
        }
        Command::Run(run) => {
            for (index, word) in run.mounts.iter().enumerate() {
                if !comes_from(Some(index)) {
                    continue;
                }
                if word.text.contains('$') {
                    return None;
                }
                let Ok(mount) = Mount::read(word, Expander::new('\\', &|_| None)) else { continue };
                let has_files = mount.kind == MountKind::Bind
                    || (mount.kind == MountKind::Cache && mount.from.is_some());
                if has_files && !add(mount.source.as_deref().unwrap_or("/")) {
                    return None;
                }
            }
            Some(paths)
        }
        _ => Some(paths),
    }
}
