//! `linux.resources.devices` as a BPF program on the cgroup.
//!
//! Version 2 has no controller for devices; the kernel asks a program each time a process opens
//! a device or makes a node (`BPF_PROG_TYPE_CGROUP_DEVICE`, `struct bpf_cgroup_dev_ctx`). The
//! program tries the rules from the last to the first, because the last one that fits decides.

use std::os::fd::AsFd;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::error::{Context, Result, RuntimeError};
use crate::sys;

/// What may be done with a device, and its kind, as the kernel numbers them (`BPF_DEVCG_*`).
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const ALL: i32 = MKNOD | READ | WRITE;
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// Devices without which a container is none; they stay usable whatever the rules say, and any
/// node can be made, as opening it is what counts.
const ALWAYS: [Rule; 10] = [
    Rule::allow(CHARACTER, None, None, MKNOD),
    Rule::allow(BLOCK, None, None, MKNOD),
    Rule::allow(CHARACTER, Some(1), Some(3), ALL), // null
    Rule::allow(CHARACTER, Some(1), Some(5), ALL), // zero
    Rule::allow(CHARACTER, Some(1), Some(7), ALL), // full
    Rule::allow(CHARACTER, Some(1), Some(8), ALL), // random
    Rule::allow(CHARACTER, Some(1), Some(9), ALL), // urandom
    Rule::allow(CHARACTER, Some(5), None, ALL),    // tty, console, ptmx
    Rule::allow(CHARACTER, Some(136), None, ALL),  // terminals
    Rule::allow(CHARACTER, Some(10), Some(200), ALL), // net/tun
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    is_allowed: bool,
    /// `None` is any.
    kind: Option<i32>,
    major: Option<i32>,
    minor: Option<i32>,
    access: i32,
}

impl Rule {
    const fn allow(kind: i32, major: Option<i32>, minor: Option<i32>, access: i32) -> Self {
        Self { is_allowed: true, kind: Some(kind), major, minor, access }
    }

    fn from_spec(rule: &LinuxDeviceCgroup) -> Result<Self> {
        let kind = match rule.typ() {
            None | Some(LinuxDeviceType::A) => None,
            Some(LinuxDeviceType::B) => Some(BLOCK),
            Some(LinuxDeviceType::C | LinuxDeviceType::U) => Some(CHARACTER),
            Some(LinuxDeviceType::P) => {
                return Err(RuntimeError::invalid("a device rule cannot be about a FIFO"));
            }
        };
        // -1 is any, too.
        let number =
            |number: Option<i64>| number.and_then(|n| i32::try_from(n).ok()).filter(|n| *n >= 0);
        let access = rule.access().as_deref().unwrap_or("rwm").chars();
        let access = access.fold(0, |all, letter| {
            all | match letter {
                'm' => MKNOD,
                'r' => READ,
                'w' => WRITE,
                _ => 0,
            }
        });
        let (major, minor) = (number(rule.major()), number(rule.minor()));
        Ok(Self { is_allowed: rule.allow(), kind, major, minor, access })
    }

    fn is_everything(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == ALL
    }
}

/// The program for a group, if it needs one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeviceProgram(Option<Vec<u64>>);

impl DeviceProgram {
    /// No rules, or a last one that allows everything, need no program.
    pub(super) fn from_spec(rules: &[LinuxDeviceCgroup]) -> Result<Self> {
        let rules = rules.iter().map(Rule::from_spec).collect::<Result<Vec<_>>>()?;
        let needs_none = rules.last().is_none_or(|rule| rule.is_allowed && rule.is_everything());
        Ok(Self((!needs_none).then(|| compile(rules.iter().chain(&ALWAYS)))))
    }

    /// Loads the program and puts it on the group, whose directory is open.
    pub(super) fn attach(&self, cgroup: &impl AsFd) -> Result<()> {
        let Some(program) = &self.0 else { return Ok(()) };
        let loaded = sys::load_device_program(program).context("load", "the device rules")?;
        sys::attach_device_program(loaded.as_fd(), cgroup.as_fd())
            .context("attach", "the device rules")
    }
}

// Registers: 0 the verdict, 1 the context and then scratch, 2 kind, 3 access, 4 major, 5 minor.
const LOAD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const COPY: u8 = 0xbc;
const SET: u8 = 0xb7;
const UNLESS: u8 = 0x55;
const UNLESS_REGISTER: u8 = 0x5d;
const EXIT: u8 = 0x95;

fn compile<'a>(rules: impl DoubleEndedIterator<Item = &'a Rule>) -> Vec<u64> {
    let mut program = vec![
        instruction(LOAD, 2, 1, 0, 0),
        instruction(AND, 2, 0, 0, 0xffff),
        instruction(LOAD, 3, 1, 0, 0),
        instruction(SHIFT_RIGHT, 3, 0, 0, 16),
        instruction(LOAD, 4, 1, 4, 0),
        instruction(LOAD, 5, 1, 8, 0),
    ];
    for rule in rules.rev() {
        // (register, what it must be); the access is checked last, in register 1.
        let checks = [(2, rule.kind), (4, rule.major), (5, rule.minor)];
        let checks: Vec<(u8, i32)> =
            checks.into_iter().filter_map(|(register, value)| Some((register, value?))).collect();
        let access = if rule.access == ALL { 0 } else { 3 };
        let mut left = i16::try_from(checks.len()).unwrap_or(0) + access + 2;
        for (register, value) in checks {
            left -= 1;
            program.push(instruction(UNLESS, register, 0, left, value));
        }
        if access > 0 {
            // Everything that is asked for must be in the rule.
            program.push(instruction(COPY, 1, 3, 0, 0));
            program.push(instruction(AND, 1, 0, 0, rule.access));
            program.push(instruction(UNLESS_REGISTER, 1, 3, 2, 0));
        }
        program.push(instruction(SET, 0, 0, 0, i32::from(rule.is_allowed)));
        program.push(instruction(EXIT, 0, 0, 0, 0));
        // The kernel refuses programs with parts that nothing leads to.
        if rule.is_everything() {
            return program;
        }
    }
    program.push(instruction(SET, 0, 0, 0, 0));
    program.push(instruction(EXIT, 0, 0, 0, 0));
    program
}

/// `struct bpf_insn` of a little-endian machine.
fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_le_bytes([code, to | (from << 4), low, high, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks a program, as the kernel would.
    fn ask(program: &[u64], kind: i32, major: i32, minor: i32, access: i32) -> bool {
        let context = [(access << 16) | kind, major, minor];
        let mut registers = [0_i64; 6];
        let mut at = 0;
        loop {
            let bytes = program[at].to_le_bytes();
            at += 1;
            let (to, from) = (usize::from(bytes[1] & 15), usize::from(bytes[1] >> 4));
            let offset = i16::from_le_bytes([bytes[2], bytes[3]]);
            let value = i64::from(i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
            let mut skip = |skips: bool| {
                if skips {
                    at += usize::try_from(offset).expect("forward");
                }
            };
            match bytes[0] {
                LOAD => {
                    let index = usize::try_from(offset).expect("inside") / 4;
                    registers[to] = i64::from(context[index]);
                }
                AND => registers[to] &= value,
                SHIFT_RIGHT => registers[to] >>= value,
                COPY => registers[to] = registers[from],
                SET => registers[to] = value,
                UNLESS => skip(registers[to] != value),
                UNLESS_REGISTER => skip(registers[to] != registers[from]),
                EXIT => return registers[0] == 1,
                code => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    fn program(json: &str) -> Vec<u64> {
        let rules: Vec<LinuxDeviceCgroup> = serde_json::from_str(json).expect("rules");
        DeviceProgram::from_spec(&rules).expect("valid").0.expect("a program")
    }

    #[test]
    fn only_what_is_allowed_can_be_opened() {
        let program = program(
            r#"[{"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
                {"allow": true, "type": "b", "major": 8, "access": "r"}]"#,
        );
        assert!(ask(&program, CHARACTER, 10, 229, READ | WRITE));
        assert!(!ask(&program, CHARACTER, 10, 230, READ));
        assert!(!ask(&program, BLOCK, 10, 229, READ));
        assert!(ask(&program, BLOCK, 8, 17, READ));
        assert!(!ask(&program, BLOCK, 8, 17, READ | WRITE), "all that is asked must be allowed");
        assert!(ask(&program, CHARACTER, 1, 3, READ | WRITE), "null always works");
        assert!(ask(&program, BLOCK, 8, 0, MKNOD), "a node can be made");
        assert!(!ask(&program, CHARACTER, 1, 1, READ), "memory cannot be read");
    }

    #[test]
    fn the_last_rule_that_fits_decides() {
        let program = program(
            r#"[{"allow": true, "type": "a"},
                {"allow": false, "type": "b", "major": 8, "access": "w"}]"#,
        );
        assert!(ask(&program, BLOCK, 8, 0, READ));
        assert!(!ask(&program, BLOCK, 8, 0, WRITE));
        assert!(ask(&program, BLOCK, 9, 0, WRITE));
    }

    #[test]
    fn a_container_that_may_use_every_device_needs_no_program() -> anyhow::Result<()> {
        let rules: Vec<LinuxDeviceCgroup> =
            serde_json::from_str(r#"[{"allow": true, "access": "rwm"}]"#)?;
        assert_eq!(DeviceProgram::from_spec(&rules)?, DeviceProgram::default());
        assert_eq!(DeviceProgram::from_spec(&[])?, DeviceProgram::default());
        Ok(())
    }
}
