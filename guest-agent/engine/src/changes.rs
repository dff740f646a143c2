//! Instructions of a Dockerfile change a configuration, as `docker commit --change` has them do.

use bollard_stubs::models::{ContainerConfig, HealthConfig};
use naru_dockerfile::{
    Changes, Command, CommandLine, Expander, Healthcheck, exposed_ports, working_directory,
};

use crate::container::signal_number;
use crate::error::{EngineError, Result};

/// Applies the instructions of `changes`, in their order. All of them are read before the first
/// is applied.
pub(crate) fn apply_changes(
    mut config: ContainerConfig,
    changes: &[String],
) -> Result<ContainerConfig> {
    let Changes { escape, instructions } = Changes::parse(changes)?;
    let mut has_command = false;
    for instruction in instructions {
        let env = config.env.clone().unwrap_or_default();
        let value = |name: &str| {
            let variables = env.iter().filter_map(|variable| variable.split_once('='));
            let mut found = variables.filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| value.to_owned())
        };
        let command = instruction.expanded(Expander::new(escape, &value))?.command;
        // An entry point takes the command that was there before out of play.
        if matches!(command, Command::Entrypoint(_)) && !has_command {
            config.cmd = None;
        }
        has_command |= matches!(command, Command::Cmd(_));
        apply(&mut config, command)?;
    }
    Ok(config)
}

/// Applies one instruction that changes nothing but the configuration.
pub(crate) fn apply(config: &mut ContainerConfig, command: Command) -> Result<()> {
    match command {
        Command::Cmd(command) => config.cmd = Some(command_line(command, config)),
        Command::Entrypoint(command) => {
            config.entrypoint = Some(command_line(command, config));
        }
        Command::Env(pairs) => {
            let env = config.env.get_or_insert_default();
            for pair in pairs {
                let name = pair.name.text;
                let variable = format!("{name}={}", pair.value.text);
                let is_same = |known: &&mut String| known.split('=').next() == Some(&name);
                match env.iter_mut().find(is_same) {
                    Some(known) => *known = variable,
                    None => env.push(variable),
                }
            }
        }
        Command::Expose(ports) => {
            let exposed = config.exposed_ports.get_or_insert_default();
            for port in ports {
                let ports = exposed_ports(&port.text);
                exposed.extend(ports.map_err(|problem| EngineError::Invalid(problem.to_string()))?);
            }
            exposed.sort();
            exposed.dedup();
        }
        Command::Healthcheck(check) => config.healthcheck = Some(health(check)),
        Command::Label(pairs) => {
            let labels = config.labels.get_or_insert_default();
            labels.extend(pairs.into_iter().map(|pair| (pair.name.text, pair.value.text)));
        }
        Command::OnBuild(trigger) => config.on_build.get_or_insert_default().push(trigger.text),
        Command::StopSignal(signal) => {
            let invalid = || EngineError::Invalid(format!("Invalid signal: {}", signal.text));
            signal_number(&signal.text).map_err(|_| invalid())?;
            config.stop_signal = Some(signal.text);
        }
        Command::User(user) => config.user = Some(user.text),
        Command::Volume(volumes) => {
            let known = config.volumes.get_or_insert_default();
            known.extend(volumes.into_iter().map(|volume| volume.text));
            known.sort();
            known.dedup();
        }
        Command::WorkDir(path) if path.text.is_empty() => {
            return Err(EngineError::Invalid("cannot normalize nothing".to_owned()));
        }
        Command::WorkDir(path) => {
            let current = config.working_dir.as_deref().unwrap_or_default();
            config.working_dir = Some(working_directory(current, &path.text));
        }
        // Reading the changes refuses them.
        other => {
            let name = other.keyword().as_str();
            return Err(EngineError::Invalid(format!("{name} is not a valid change command")));
        }
    }
    Ok(())
}

pub(crate) fn command_line(command: CommandLine, config: &ContainerConfig) -> Vec<String> {
    match command {
        CommandLine::Exec(words) => words,
        CommandLine::Shell(line) => {
            let shell = config.shell.clone().filter(|shell| !shell.is_empty());
            let mut words = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            words.push(line);
            words
        }
    }
}

fn health(check: Healthcheck) -> HealthConfig {
    HealthConfig {
        test: Some(check.test),
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: check.start_interval,
        retries: check.retries.map(i64::from),
    }
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
    fn a_health_check_is_one_of_the_configuration() {
        let config = applied(&["HEALTHCHECK --interval=1m30s --retries=3 CMD test -f /x"]).unwrap();
        let check = config.healthcheck.unwrap();
        assert_eq!((check.interval, check.retries), (Some(90_000_000_000), Some(3)));
        assert_eq!(check.test, Some(vec!["CMD-SHELL".into(), "test -f /x".into()]));
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
