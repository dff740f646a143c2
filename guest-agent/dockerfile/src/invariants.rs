//! What holds whatever a client wrote: held against mutations in the tests, and against what a
//! fuzzer finds in `fuzz/`.

use crate::{
    Command, Dockerfile, DockerfileError, Expander, Ignore, Inputs, Mount, ParentMatch, Scope,
    exposed_ports,
};

/// A Dockerfile can be gone through as one who builds it does, or what is wrong with it is
/// somewhere in the text and can be shown. Says which.
pub fn dockerfile(text: &str) -> Result<bool, String> {
    match build(text) {
        Ok(()) => Ok(true),
        Err(error) => check_error(text, &error).map(|()| false),
    }
}

/// Rules of what a build ignores say the same of a path alone and of one in a folder.
pub fn ignore(rules: &str) -> Result<(), String> {
    let Ok(ignore) = Ignore::parse(rules) else { return Ok(()) };
    let (whole, _) = ignore.is_ignored_in("a", &ParentMatch::default());
    let _inner = ignore.is_ignored("a/keep/bc*");
    if whole == ignore.is_ignored("a") { Ok(()) } else { Err(format!("{rules:?}")) }
}

fn check_error(text: &str, error: &DockerfileError) -> Result<(), String> {
    if error.to_string().is_empty() {
        return Err(format!("{text:?}: no words"));
    }
    let Some(at) = error.at else { return Ok(()) };
    let lines = text.split('\n').count();
    let is_inside =
        at.line >= 1 && usize::try_from(at.line).is_ok_and(|line| line <= lines) && at.column >= 1;
    if !is_inside {
        return Err(format!("{text:?}: {error} at {at}"));
    }
    if !error.excerpt("Dockerfile", text).contains(">>>") && !text.ends_with('\n') {
        return Err(format!("{text:?}: {error} at {at} cannot be shown"));
    }
    Ok(())
}

fn build(text: &str) -> Result<(), DockerfileError> {
    let inputs = Inputs::default();
    let mut file = Dockerfile::parse(text)?;
    let globals = file.globals(&inputs)?;
    let graph = file.graph(&globals, &inputs)?;
    let needed = graph.needed(graph.target(None)?)?;
    let triggers = file.stages[0].triggers();
    file.add_triggers(0, &triggers)?;
    for stage in needed {
        let mut scope = Scope::of_image(&["PATH=/bin".to_owned()]);
        for instruction in &file.stages[stage].instructions {
            let before = scope.clone();
            let value = |name: &str| before.value(name);
            let expander = Expander::new(file.directives.escape, &value);
            match instruction.expanded(expander)?.command {
                Command::Arg(arguments) => {
                    scope.declare(&arguments, &globals, &inputs)?;
                }
                Command::Env(pairs) => {
                    for pair in &pairs {
                        scope.set(&pair.name.text, &pair.value.text);
                    }
                }
                Command::Run(run) => {
                    let _execution = run.execution();
                    for mount in &run.mounts {
                        Mount::read(mount, expander)?;
                    }
                }
                Command::Expose(ports) => {
                    for port in &ports {
                        let _ports = exposed_ports(&port.text);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}
