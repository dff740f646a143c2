//! `--chmod`: modes as `chmod` takes them.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::Problem;

const ALL: u32 = 0o7777;

/// What is to become of the modes of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// All get this one.
    Octal(u32),
    /// Each is changed, one change after the other.
    Symbolic(Vec<ModeChange>),
}

/// A part of a symbolic mode: `go+w` is one, and `u=rw+x` are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeChange {
    /// The bits of those that are spoken of.
    who: u32,
    operator: char,
    permissions: Permissions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permissions {
    /// These bits, and with `X` those for executing where somebody may already.
    Bits { bits: u32, executes_if_any: bool },
    /// What the owner, the group or the others may: so many bits from the right.
    Of(u32),
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
            let before = changes.len();
            while let Some(operator) = rest.next_if(|c| matches!(c, '+' | '-' | '=')) {
                let permissions = permissions(&mut rest);
                changes.push(ModeChange { who, operator, permissions });
            }
            if changes.len() == before || rest.peek().is_some() {
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
        changes.iter().fold(old & ALL, |mode, change| {
            let bits = match change.permissions {
                Permissions::Bits { bits, executes_if_any: true } if executes => bits | 0o111,
                Permissions::Bits { bits, executes_if_any: _ } => bits,
                Permissions::Of(shift) => (mode >> shift & 0o7) * 0o111,
            };
            match change.operator {
                '+' => mode | bits & change.who,
                '-' => mode & !(bits & change.who),
                _ => mode & !change.who | bits & change.who,
            }
        })
    }
}

/// Each letter stands for its three bits, and the special one above.
fn who(rest: &mut Peekable<Chars<'_>>) -> u32 {
    let mut who = 0;
    while let Some(letter) = rest.next_if(|c| matches!(c, 'u' | 'g' | 'o' | 'a')) {
        who |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            _ => ALL,
        };
    }
    if who == 0 { ALL } else { who }
}

fn permissions(rest: &mut Peekable<Chars<'_>>) -> Permissions {
    if let Some(letter) = rest.next_if(|c| matches!(c, 'u' | 'g' | 'o')) {
        return Permissions::Of(match letter {
            'u' => 6,
            'g' => 3,
            _ => 0,
        });
    }
    let (mut bits, mut executes_if_any) = (0, false);
    while let Some(letter) = rest.next_if(|c| "rwxXst".contains(*c)) {
        match letter {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            's' => bits |= 0o6000,
            't' => bits |= 0o1000,
            _ => executes_if_any = true,
        }
    }
    Permissions::Bits { bits, executes_if_any }
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
            ("a=", 0o4755, false, 0),
            ("u+s,o+t", 0o755, true, 0o5755),
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
