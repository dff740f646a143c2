//! Instructions change a configuration.

use bollard_stubs::models::ContainerConfig;

use super::error::DockerfileError;
use super::expand::expand;
use super::instruction::{Command, Instruction};
use super::lines::Lines;
use crate::container::signal_number;

/// More ports than there are cannot be meant.
const PORTS_MAX: u32 = 65_535;

/// Applies the instructions of `changes`, in their order. All of them are read before the first
/// is applied.
pub(crate) fn apply_changes(
    mut config: ContainerConfig,
    changes: &[String],
) -> Result<ContainerConfig, DockerfileError> {
    let Lines { escape, lines } = Lines::of(&changes.join("\n"));
    let instructions: Vec<Instruction> =
        lines.iter().map(|line| Instruction::parse(line, escape)).collect::<Result<_, _>>()?;
    let mut has_command = false;
    for instruction in instructions {
        // An entry point takes the command that was there before out of play.
        if matches!(instruction, Instruction::Entrypoint(_)) && !has_command {
            config.cmd = None;
        }
        has_command |= matches!(instruction, Instruction::Cmd(_));
        apply(&mut config, instruction, escape)?;
    }
    Ok(config)
}

fn apply(
    config: &mut ContainerConfig,
    instruction: Instruction,
    escape: char,
) -> Result<(), DockerfileError> {
    let env = config.env.clone().unwrap_or_default();
    let value = |name: &str| {
        let variables = env.iter().filter_map(|variable| variable.split_once('='));
        let mut found = variables.filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| value.to_owned())
    };
    let expand = |word: &str| expand(word, escape, &value);
    match instruction {
        Instruction::Cmd(command) => config.cmd = Some(command_line(command, config)),
        Instruction::Entrypoint(command) => {
            config.entrypoint = Some(command_line(command, config));
        }
        Instruction::Env(pairs) => {
            let env = config.env.get_or_insert_default();
            for (name, value) in pairs {
                let (name, value) = (expand(&name)?, expand(&value)?);
                let variable = format!("{name}={value}");
                let is_same = |known: &&mut String| known.split('=').next() == Some(&name);
                match env.iter_mut().find(is_same) {
                    Some(known) => *known = variable,
                    None => env.push(variable),
                }
            }
        }
        Instruction::Expose(ports) => {
            let exposed = config.exposed_ports.get_or_insert_default();
            for port in ports {
                // A variable may hold several.
                for port in expand(&port)?.split_whitespace() {
                    exposed.extend(exposed_ports(port)?);
                }
            }
            exposed.sort();
            exposed.dedup();
        }
        Instruction::Healthcheck(check) => config.healthcheck = Some(check),
        Instruction::Label(pairs) => {
            let labels = config.labels.get_or_insert_default();
            for (name, value) in pairs {
                labels.insert(expand(&name)?, expand(&value)?);
            }
        }
        Instruction::OnBuild(trigger) => config.on_build.get_or_insert_default().push(trigger),
        Instruction::StopSignal(signal) => {
            let signal = expand(&signal)?;
            signal_number(&signal).map_err(|_| DockerfileError::Signal(signal.clone()))?;
            config.stop_signal = Some(signal);
        }
        Instruction::User(user) => config.user = Some(expand(&user)?),
        Instruction::Volume(volumes) => {
            let known = config.volumes.get_or_insert_default();
            for volume in volumes {
                known.push(expand(volume.trim())?);
            }
            known.sort();
            known.dedup();
        }
        Instruction::WorkDir(path) => {
            let path = expand(&path)?;
            let current = config.working_dir.as_deref().unwrap_or_default();
            config.working_dir = Some(directory(current, &path)?);
        }
    }
    Ok(())
}

fn command_line(command: Command, config: &ContainerConfig) -> Vec<String> {
    match command {
        Command::Words(words) => words,
        Command::Shell(line) => {
            let shell = config.shell.clone().filter(|shell| !shell.is_empty());
            let mut words = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            words.push(line);
            words
        }
    }
}

/// `80`, `80/udp`, `8000-8010`; a host's port before it is read and forgotten, as in Docker.
fn exposed_ports(text: &str) -> Result<Vec<String>, DockerfileError> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(DockerfileError::Protocol(protocol));
    }
    let ports = ports.rsplit(':').next().unwrap_or(ports);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let invalid = || DockerfileError::Port(ports.to_owned());
    let number = |text: &str| match text.parse::<u32>() {
        Ok(number) if number <= PORTS_MAX => Ok(number),
        _ => Err(invalid()),
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(invalid());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// A path that is not absolute counts from the directory that was there.
fn directory(current: &str, wanted: &str) -> Result<String, DockerfileError> {
    if wanted.is_empty() {
        return Err(DockerfileError::EmptyWorkdir);
    }
    if wanted.starts_with('/') {
        return Ok(wanted.to_owned());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in current.split('/').chain(wanted.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(changes: &[&str]) -> Result<ContainerConfig, String> {
        let config = ContainerConfig {
            cmd: Some(vec!["old".to_owned()]),
            env: Some(vec!["PATH=/bin".to_owned(), "A=1".to_owned()]),
            working_dir: Some("/srv".to_owned()),
            ..ContainerConfig::default()
        };
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        apply_changes(config, &changes).map_err(|error| error.to_string())
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn each_instruction_changes_its_own_field() {
        let config = applied(&[
            "ENV PATH=$PATH:/opt B=\"x y\"",
            "EXPOSE 80 8000-8001/udp",
            "LABEL a=$A b='c d'",
            "ONBUILD RUN make",
            "STOPSIGNAL SIGINT",
            "USER ${A}:2",
            "VOLUME [\"/data\", \"/more\"]",
            "VOLUME /data /other",
            "WORKDIR ../app",
        ])
        .unwrap();
        let env = ["PATH=/bin:/opt", "A=1", "B=x y"].map(str::to_owned).to_vec();
        assert_eq!(config.env, Some(env));
        assert_eq!(config.exposed_ports, Some(words("80/tcp 8000/udp 8001/udp")));
        let labels = config.labels.unwrap();
        assert_eq!((labels["a"].as_str(), labels["b"].as_str()), ("1", "c d"));
        assert_eq!(config.on_build, Some(vec!["RUN make".to_owned()]));
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(config.user.as_deref(), Some("1:2"));
        assert_eq!(config.volumes, Some(words("/data /more /other")));
        assert_eq!(config.working_dir.as_deref(), Some("/app"));
        assert_eq!(config.cmd, Some(words("old")), "what no instruction names stays");
    }

    #[test]
    fn an_entry_point_forgets_the_command_before_it_only() {
        assert_eq!(applied(&["ENTRYPOINT [\"e\"]"]).unwrap().cmd, None);
        let both = applied(&["CMD c d", "ENTRYPOINT e"]).unwrap();
        let shell = |line: &str| Some(vec!["/bin/sh".into(), "-c".into(), line.into()]);
        assert_eq!((both.cmd, both.entrypoint), (shell("c d"), shell("e")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (change, message) in [
            ("EXPOSE x", "Invalid containerPort: x"),
            ("EXPOSE 70000", "Invalid containerPort: 70000"),
            ("EXPOSE 9-8", "Invalid containerPort: 9-8"),
            ("EXPOSE 80/ip", "Invalid proto: ip"),
            ("STOPSIGNAL NOPE", "Invalid signal: NOPE"),
            ("WORKDIR $NOTHING", "cannot normalize nothing"),
            ("COPY a b", "COPY is not a valid change command"),
        ] {
            assert_eq!(applied(&["USER x", change]), Err(message.to_owned()));
        }
    }
}
