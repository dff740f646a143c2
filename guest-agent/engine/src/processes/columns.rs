//! The columns of `ps`, and which of them its arguments ask for.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::process::{Machine, Process, TICKS};
use crate::error::{EngineError, Result};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A column: its names for `-o`, its title, its value.
#[derive(Debug)]
pub(super) struct Column {
    names: &'static [&'static str],
    pub(super) title: &'static str,
    pub(super) value: fn(&Process, &Machine) -> String,
}

const COLUMNS: [Column; 32] = [
    Column { names: &["pid"], title: "PID", value: |p, _| p.pid.to_string() },
    Column { names: &["ppid"], title: "PPID", value: |p, _| p.parent.to_string() },
    Column { names: &["pgid", "pgrp"], title: "PGID", value: |p, _| p.group.to_string() },
    Column {
        names: &["sid", "sess", "session"],
        title: "SID",
        value: |p, _| p.session.to_string(),
    },
    Column { names: &["user", "euser", "uname"], title: "USER", value: |p, _| user(p.uid) },
    Column { names: &["ruser"], title: "RUSER", value: |p, _| user(p.real_uid) },
    Column { names: &["uid", "euid"], title: "UID", value: |p, _| p.uid.to_string() },
    Column { names: &["ruid"], title: "RUID", value: |p, _| p.real_uid.to_string() },
    Column { names: &["gid", "egid"], title: "GID", value: |p, _| p.gid.to_string() },
    Column { names: &["group", "egroup"], title: "GROUP", value: |p, _| user(p.gid) },
    Column { names: &["comm", "ucmd", "ucomm"], title: "COMMAND", value: |p, _| p.name.clone() },
    Column { names: &["args", "command"], title: "COMMAND", value: |p, _| p.command.clone() },
    Column { names: &["cmd"], title: "CMD", value: |p, _| p.command.clone() },
    Column { names: &["s", "state"], title: "S", value: |p, _| p.state.to_string() },
    Column { names: &["stat"], title: "STAT", value: |p, _| stat(p) },
    Column { names: &["tty", "tt", "tname"], title: "TTY", value: |p, _| p.terminal.clone() },
    Column { names: &["time", "cputime"], title: "TIME", value: |p, _| long_time(p.cpu / TICKS) },
    Column { names: &["bsdtime"], title: "TIME", value: |p, _| short_time(p.cpu / TICKS) },
    Column { names: &["etime"], title: "ELAPSED", value: |p, m| elapsed_text(elapsed(p, m)) },
    Column { names: &["etimes"], title: "ELAPSED", value: |p, m| elapsed(p, m).to_string() },
    Column { names: &["stime"], title: "STIME", value: |p, m| started(p, m) },
    Column {
        names: &["start", "bsdstart", "start_time"],
        title: "START",
        value: |p, m| started(p, m),
    },
    Column { names: &["lstart"], title: "STARTED", value: |p, m| started_in_full(p, m) },
    Column { names: &["%cpu", "pcpu"], title: "%CPU", value: |p, m| tenths(cpu_mille(p, m)) },
    Column { names: &["c"], title: "C", value: |p, m| (cpu_mille(p, m) / 10).to_string() },
    Column { names: &["%mem", "pmem"], title: "%MEM", value: |p, m| tenths(memory_mille(p, m)) },
    Column { names: &["rss", "rssize", "rsz"], title: "RSS", value: |p, _| p.resident.to_string() },
    Column { names: &["vsz", "vsize"], title: "VSZ", value: |p, _| p.virtual_size.to_string() },
    Column { names: &["ni", "nice"], title: "NI", value: |p, _| p.nice.to_string() },
    Column { names: &["pri"], title: "PRI", value: |p, _| (39 - p.priority).to_string() },
    Column { names: &["nlwp", "thcount"], title: "NLWP", value: |p, _| p.threads.to_string() },
    // What `-f` calls the user.
    Column { names: &["-f user"], title: "UID", value: |p, _| user(p.uid) },
];

const SHORT: &str = "pid,tty,time,comm";
const FULL: &str = "-f user,pid,ppid,c,stime,tty,time,cmd";
const BSD: &str = "pid,tty,stat,bsdtime,args";
const BSD_USER: &str = "user,pid,%cpu,%mem,vsz,rss,tty,stat,bsdstart,bsdtime,args";

/// The columns that arguments of `ps` ask for; `-ef` when there are none. Which processes
/// they name makes no difference: it is always the container's.
pub(super) fn of_arguments(text: &str) -> Result<Vec<&'static Column>> {
    let unknown = || {
        EngineError::Unsupported(format!(
            "ps arguments not supported by this engine (-e, -f, aux and -o are): {text}"
        ))
    };
    let text = text.trim();
    let mut formats: Vec<&str> = Vec::new();
    let (mut is_full, mut is_bsd, mut has_user) = (text.is_empty(), false, false);
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let (options, is_unix) = match word.strip_prefix('-') {
            // As ps itself reads what everybody types.
            Some("aux") => ("aux", false),
            Some(options) => (options, true),
            // As it stood here before.
            None if word == "ef" => ("ef", true),
            None => (word, false),
        };
        let (options, format) = match options.split_once('o') {
            Some((options, "")) => (options, Some(words.next().ok_or_else(unknown)?)),
            Some((options, format)) => (options, Some(format)),
            None => (options, None),
        };
        formats.extend(format);
        for option in options.chars() {
            match (option, is_unix) {
                ('e' | 'A' | 'a' | 'w', true) => {}
                ('f', true) => is_full = true,
                ('a' | 'x' | 'w', false) => is_bsd = true,
                ('u', false) => has_user = true,
                _ => return Err(unknown()),
            }
        }
    }
    let format = match () {
        () if !formats.is_empty() => formats.join(","),
        () if has_user => BSD_USER.to_owned(),
        () if is_full => FULL.to_owned(),
        () if is_bsd => BSD.to_owned(),
        () => SHORT.to_owned(),
    };
    let columns = format.split(',').map(named).collect::<Option<Vec<_>>>().ok_or_else(unknown)?;
    // The row that Docker looks for in the output of its `ps`.
    if columns.iter().all(|column| column.title != "PID") {
        return Err(EngineError::Invalid("Couldn't find PID field in ps output".to_owned()));
    }
    Ok(columns)
}

fn named(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.names.contains(&name))
}

fn user(id: u32) -> String {
    if id == 0 { "root".to_owned() } else { id.to_string() }
}

fn stat(process: &Process) -> String {
    let mut stat = process.state.to_string();
    let mut add = |applies: bool, mark: char| stat.extend(applies.then_some(mark));
    add(process.nice < 0, '<');
    add(process.nice > 0, 'N');
    add(process.session == process.pid, 's');
    add(process.threads > 1, 'l');
    add(process.foreground == process.group, '+');
    stat
}

fn long_time(seconds: u64) -> String {
    let time = format!("{:02}:{:02}:{:02}", seconds / HOUR % 24, seconds / 60 % 60, seconds % 60);
    if seconds < DAY { time } else { format!("{}-{time}", seconds / DAY) }
}

fn short_time(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn elapsed_text(seconds: u64) -> String {
    if seconds < HOUR {
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    } else {
        long_time(seconds)
    }
}

fn started_at(process: &Process, machine: &Machine) -> Timestamp {
    let after = SignedDuration::from_secs((process.started / TICKS).cast_signed());
    machine.booted.checked_add(after).unwrap_or(machine.now)
}

/// In seconds.
fn elapsed(process: &Process, machine: &Machine) -> u64 {
    let elapsed = machine.now.duration_since(started_at(process, machine)).as_secs();
    u64::try_from(elapsed).unwrap_or(0)
}

fn started(process: &Process, machine: &Machine) -> String {
    let format = if elapsed(process, machine) < DAY { "%H:%M" } else { "%b%d" };
    started_at(process, machine).to_zoned(TimeZone::UTC).strftime(format).to_string()
}

fn started_in_full(process: &Process, machine: &Machine) -> String {
    let at = started_at(process, machine).to_zoned(TimeZone::UTC);
    at.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// Thousandths of a processor's time since the start.
fn cpu_mille(process: &Process, machine: &Machine) -> u64 {
    let elapsed = elapsed(process, machine) * TICKS;
    (process.cpu * 1000).checked_div(elapsed).unwrap_or(0)
}

fn memory_mille(process: &Process, machine: &Machine) -> u64 {
    (process.resident * 1000).checked_div(machine.memory).unwrap_or(0)
}

fn tenths(mille: u64) -> String {
    format!("{}.{}", mille / 10, mille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(arguments: &str) -> Vec<&'static str> {
        of_arguments(arguments).unwrap().iter().map(|column| column.title).collect()
    }

    #[test]
    fn arguments_of_ps_name_columns() {
        let full = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
        for arguments in ["", "-ef", "ef", "-e -f", "-fA"] {
            assert_eq!(titles(arguments), full, "{arguments}");
        }
        let user = [
            "USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND",
        ];
        for arguments in ["aux", "-aux", "auxww", "ax u"] {
            assert_eq!(titles(arguments), user, "{arguments}");
        }
        for arguments in ["-eo pid,comm", "-o pid -ocomm", "axo pid,comm", "-o pid,comm"] {
            assert_eq!(titles(arguments), ["PID", "COMMAND"], "{arguments}");
        }
        assert_eq!(titles("-e"), ["PID", "TTY", "TIME", "COMMAND"]);
        assert_eq!(titles("ax"), ["PID", "TTY", "STAT", "TIME", "COMMAND"]);
    }

    #[test]
    fn what_ps_can_and_this_cannot_is_refused_by_name() {
        for arguments in ["-l", "--forest", "-o", "-o pid,nosuch", "-C sh", "-o pid=X"] {
            let message = of_arguments(arguments).unwrap_err().to_string();
            assert!(message.ends_with(arguments), "{arguments}: {message}");
        }
        let message = of_arguments("-o comm").unwrap_err().to_string();
        assert_eq!(message, "Couldn't find PID field in ps output");
    }

    #[test]
    fn values_are_written_as_ps_writes_them() {
        let machine = Machine {
            now: Timestamp::from_second(200_000).unwrap(),
            booted: Timestamp::from_second(0).unwrap(),
            memory: 1000,
        };
        let process = Process {
            pid: 7,
            session: 7,
            group: 7,
            foreground: 7,
            state: 'S',
            threads: 2,
            started: 100_000 * TICKS,
            cpu: 12_345 * TICKS,
            resident: 123,
            ..Process::default()
        };
        for (name, expected) in [
            ("stat", "Ssl+"),
            ("time", "03:25:45"),
            ("bsdtime", "205:45"),
            ("etime", "1-03:46:40"),
            ("%cpu", "12.3"),
            ("%mem", "12.3"),
            ("c", "12"),
            ("stime", "Jan02"),
            ("lstart", "Fri Jan  2 03:46:40 1970"),
        ] {
            assert_eq!((named(name).unwrap().value)(&process, &machine), expected, "{name}");
        }
    }
}
