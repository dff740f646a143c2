//! The words of the command line; `runc`'s, as far as they have a meaning here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs containers from OCI bundles.
#[derive(Debug, Parser)]
#[command(name = "naru-oci", version, long_version = concat!(env!("CARGO_PKG_VERSION"), "\nspec: 1.2.0"))]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What stands before the command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where the state of containers is kept.
    #[arg(long, default_value = "/run/naru-oci")]
    pub(crate) root: PathBuf,
    /// Where errors are written, beside standard error.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
    /// How they are written there.
    #[arg(long, default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Accepted for callers of runc; there is no more to tell.
    #[arg(long)]
    debug: bool,
    /// Asks systemd for cgroups, which is not supported.
    #[arg(long)]
    pub(crate) systemd_cgroup: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a container, whose process then waits for its start.
    Create(CreateArguments),
    /// Lets a created container's process run.
    Start {
        /// The container.
        id: String,
    },
    /// Makes a container, starts it, waits for its end, and deletes it.
    Run {
        #[command(flatten)]
        create: CreateArguments,
        /// Do not wait for its end, and do not delete it.
        #[arg(short, long)]
        detach: bool,
    },
    /// Runs one more process in a container.
    Exec(ExecArguments),
    /// Tells how a container is, in JSON.
    State {
        /// The container.
        id: String,
    },
    /// Sends a signal to a container's first process.
    Kill {
        /// To all its processes instead.
        #[arg(short, long)]
        all: bool,
        /// The container.
        id: String,
        /// By name or number.
        #[arg(default_value = "SIGTERM")]
        signal: String,
    },
    /// Takes away what is left of a container.
    Delete {
        /// Kill it first, and do not mind if there is none.
        #[arg(short, long)]
        force: bool,
        /// The container.
        id: String,
    },
    /// Stops a container's processes where they are.
    Pause {
        /// The container.
        id: String,
    },
    /// Lets paused processes go on.
    Resume {
        /// The container.
        id: String,
    },
    /// Lists the processes of a container.
    Ps {
        /// How.
        #[arg(short, long, default_value = "table")]
        format: ListFormat,
        /// The container.
        id: String,
    },
    /// Lists the containers.
    List {
        /// How.
        #[arg(short, long, default_value = "table")]
        format: ListFormat,
        /// Their ids alone.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Tells what this runtime can do, in JSON.
    Features,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Table,
    Json,
}

/// Where a process's terminal and id go.
#[derive(Debug, Args)]
pub(crate) struct ProcessArguments {
    /// A socket to send the terminal to.
    #[arg(long)]
    pub(crate) console_socket: Option<PathBuf>,
    /// A file to write the process's id to.
    #[arg(long)]
    pub(crate) pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the process gets.
    #[arg(long, default_value_t = 0)]
    pub(crate) preserve_fds: u32,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The directory of config.json.
    #[arg(short, long, default_value = ".")]
    pub(crate) bundle: PathBuf,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
    /// Accepted for callers of runc: a root that cannot be pivoted from is recognised.
    #[arg(long)]
    no_pivot: bool,
    /// Keep the caller's session keyring, which is not supported.
    #[arg(long)]
    pub(crate) no_new_keyring: bool,
    /// The container.
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    #[command(flatten)]
    pub(crate) process_arguments: ProcessArguments,
    /// A file with the process in JSON, as in config.json.
    #[arg(short, long)]
    pub(crate) process: Option<PathBuf>,
    /// Do not wait for its end.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Give it a terminal.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Where it works.
    #[arg(long)]
    pub(crate) cwd: Option<PathBuf>,
    /// One more environment variable.
    #[arg(short, long)]
    pub(crate) env: Vec<String>,
    /// Who it is: UID or UID:GID.
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// The container.
    pub(crate) id: String,
    /// What to run, unless a file says so.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_lines_of_conmon_and_podman_are_understood() -> anyhow::Result<()> {
        let create = "naru-oci --root /r --log=/l --log-format=json create --bundle /b --pid-file \
                      /p --console-socket /c abc";
        let Command::Create(create) = parse(create)?.command else { anyhow::bail!("create") };
        assert_eq!((create.bundle, create.id), (PathBuf::from("/b"), "abc".to_owned()));
        let exec = "naru-oci exec --pid-file /p --process /q --detach --preserve-fds 2 abc";
        let Command::Exec(exec) = parse(exec)?.command else { anyhow::bail!("exec") };
        assert_eq!((exec.process_arguments.preserve_fds, exec.detach), (2, true));
        let exec = "naru-oci exec -e A=1 abc ls -l";
        let Command::Exec(exec) = parse(exec)?.command else { anyhow::bail!("exec") };
        assert_eq!(exec.command, ["ls", "-l"]);
        for line in ["kill abc 9", "kill --all abc KILL", "delete --force abc", "state abc", "list"]
        {
            parse(&format!("naru-oci {line}"))?;
        }
        Ok(())
    }
}
