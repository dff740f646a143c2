//! `--chmod`: modes as `chmod` takes them, in the manner of BSD's as BuildKit does.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::Problem;

const ALL: u32 = 0o7777;
/// What a clause without a letter before its operator is of. `=` does not take the sticky bit away.
const EVERYBODY: u32 = 0o6777;
const OTHERS: u32 = 0o7;
const STICKY: u32 = 0o1000;

/// What is to become of the modes of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// All get this one.
    Octal(u32),
    /// Each is changed, one change after the other.
    Symbolic(Vec<ModeChange>),
}

/// A part of a symbolic mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeChange {
    /// These bits are set.
    Set(u32),
    /// These are taken away.
    Clear(u32),
    /// These are set for directories and for what somebody may execute already.
    SetIfExecutable(u32),
    /// What the owner, the group or the others may is what others may, too.
    Copy {
        /// How many bits from the right it is.
        from: u32,
        /// The bits of those that it is for.
        to: u32,
        /// `+`, `-` or `=`.
        operator: char,
    },
}

impl FileMode {
    /// Reads `0755`, `+x`, `u=rwX,go=rX`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::Mode(text.to_owned());
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= ALL);
            return mode.map(Self::Octal).ok_or_else(wrong);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            let mut rest = clause.chars().peekable();
            let who = who(&mut rest);
            let mut is_any = false;
            while let Some(operator) = rest.next_if(|c| matches!(c, '+' | '-' | '=')) {
                is_any = true;
                read_operation(operator, who, &mut rest, &mut changes);
            }
            if !is_any || rest.peek().is_some() {
                return Err(wrong());
            }
        }
        Ok(Self::Symbolic(changes))
    }

    /// The mode of a file that has the mode `old`.
    pub fn apply(&self, old: u32, is_directory: bool) -> u32 {
        let changes = match self {
            Self::Octal(mode) => return *mode,
            Self::Symbolic(changes) => changes,
        };
        let executes = is_directory || old & 0o111 != 0;
        changes.iter().fold(old & ALL, |mode, change| match *change {
            ModeChange::Set(bits) => mode | bits,
            ModeChange::Clear(bits) => mode & !bits,
            ModeChange::SetIfExecutable(bits) => mode | if executes { bits } else { 0 },
            ModeChange::Copy { from, to, operator } => {
                let copied = ((mode >> from & OTHERS) * 0o111) & to;
                match operator {
                    '+' => mode | copied,
                    '-' => mode & !copied,
                    _ => mode & !to | copied,
                }
            }
        })
    }
}

/// Each letter stands for its three bits and a special one; none for nobody in particular.
fn who(rest: &mut Peekable<Chars<'_>>) -> u32 {
    let mut who = 0;
    while let Some(letter) = rest.next_if(|c| matches!(c, 'u' | 'g' | 'o' | 'a')) {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => OTHERS,
            _ => EVERYBODY,
        };
    }
    who
}

/// Reads the permissions after an operator.
fn read_operation(
    operator: char,
    mut who: u32,
    rest: &mut Peekable<Chars<'_>>,
    changes: &mut Vec<ModeChange>,
) {
    let (mut bits, mut executes) = (0, 0);
    let mut is_said = operator != '=';
    while let Some(letter) = rest.next_if(|c| "rwxXstugo".contains(*c)) {
        match letter {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'X' if operator != '-' => executes = 0o111,
            'x' | 'X' => bits |= 0o111,
            // The others alone have none of these.
            's' | 't' if who != 0 && who & !OTHERS == 0 => {}
            's' => bits |= 0o6000,
            't' => {
                who |= STICKY;
                bits |= STICKY;
            }
            copied => {
                flush(operator, who, (&mut bits, &mut executes), changes);
                is_said = true;
                let from = match copied {
                    'u' => 6,
                    'g' => 3,
                    _ => 0,
                };
                let to = if who == 0 { 0o777 } else { who & 0o777 };
                changes.push(ModeChange::Copy { from, to, operator });
            }
        }
    }
    if bits == 0 && !is_said {
        changes.push(ModeChange::Clear(if who == 0 { EVERYBODY } else { who }));
    }
    flush(operator, who, (&mut bits, &mut executes), changes);
}

/// Says what has been read so far.
fn flush(
    operator: char,
    who: u32,
    (bits, executes): (&mut u32, &mut u32),
    changes: &mut Vec<ModeChange>,
) {
    let of = |bits: u32| if who == 0 { bits } else { bits & who };
    if *bits != 0 {
        match operator {
            '+' => changes.push(ModeChange::Set(of(*bits))),
            '-' => changes.push(ModeChange::Clear(of(*bits))),
            _ => {
                changes.push(ModeChange::Clear(if who == 0 { EVERYBODY } else { who }));
                changes.push(ModeChange::Set(of(*bits)));
            }
        }
    }
    if *executes != 0 {
        changes.push(ModeChange::SetIfExecutable(of(*executes)));
    }
    (*bits, *executes) = (0, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_numbers_or_changes() {
        for (text, old, is_directory, expected) in [
            ("0755", 0o644, false, 0o755),
            ("7777", 0, false, 0o7777),
            ("+x", 0o644, false, 0o755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("g=u", 0o750, false, 0o770),
            ("o-rwx,g-w", 0o777, false, 0o750),
            ("u=rw+x", 0o444, false, 0o744),
            ("u+s,+t", 0o755, true, 0o5755),
            ("a=", 0o7755, false, 0o1000),
            ("o+st", 0o755, false, 0o755),
            ("go=u-w", 0o750, false, 0o755),
            ("a-X", 0o755, false, 0o644),
            ("g+s", 0o100_755, false, 0o2755),
        ] {
            let mode = FileMode::parse(text).unwrap();
            assert_eq!(mode.apply(old, is_directory), expected, "{text} of {old:o}");
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "8", "10000", "0x1", "u", "rwx", "u=rwz", "+x,", "99999999999999999999"] {
            let error = FileMode::parse(text).unwrap_err().to_string();
            let expected = format!(
                "invalid chmod parameter: '{text}'. it should be octal string and between 0 and \
                 07777"
            );
            assert_eq!(error, expected);
        }
    }
}
