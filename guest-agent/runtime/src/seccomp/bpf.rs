//! A filter as a classic BPF program.
//!
//! ```text
//! load arch ─► is it the first? ─► load nr ─► rule ─► rule ─► … ─► return default
//!              is it the second? ─► …
//!              neither ─► kill
//! ```
//!
//! The kernel works out for itself which calls a program always allows and does not run it for
//! them (`seccomp_cache_prepare`), so that a list is as quick as a search tree would be.

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

/// Offsets in `struct seccomp_data`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

/// On `x86_64`, the calls of the x32 ABI have this bit. No table has them, so they must not fall
/// through to a default that allows.
const X32_BIT: u32 = 0x4000_0000;

/// `BPF_MAXINSNS`
const INSTRUCTIONS_MAX: usize = 4096;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;

type Program = Vec<libc::sock_filter>;

/// What to do with one system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'a> {
    pub(super) number: u32,
    /// All must hold.
    pub(super) conditions: &'a [LinuxSeccompArg],
    pub(super) action: u32,
}

/// The rules for programs of one architecture.
#[derive(Debug)]
pub(super) struct Architecture<'a> {
    pub(super) audit: u32,
    pub(super) rules: Vec<Rule<'a>>,
}

/// The program; `None` if it is longer than the kernel takes.
pub(super) fn compile(
    architectures: &[Architecture<'_>],
    default: u32,
) -> Option<Vec<libc::sock_filter>> {
    let mut program = vec![statement(LOAD, OFFSET_ARCH)];
    for architecture in architectures {
        let section = section(architecture, default)?;
        // A conditional jump reaches 255 instructions, an unconditional one any number.
        program.push(branch(IF_EQUAL, architecture.audit, 1, 0));
        program.push(statement(JUMP, u32::try_from(section.len()).ok()?));
        program.extend(section);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_KILL_PROCESS));
    (program.len() <= INSTRUCTIONS_MAX).then_some(program)
}

fn section(architecture: &Architecture<'_>, default: u32) -> Option<Program> {
    let mut section = vec![statement(LOAD, OFFSET_NUMBER)];
    if cfg!(target_arch = "x86_64") {
        section.push(branch(IF_AT_LEAST, X32_BIT, 0, 1));
        let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        section.push(statement(RETURN, refused));
    }
    for rule in &architecture.rules {
        if rule.conditions.is_empty() {
            section.push(branch(IF_EQUAL, rule.number, 0, 1));
            section.push(statement(RETURN, rule.action));
        } else {
            section.extend(conditional(rule)?);
        }
    }
    section.push(statement(RETURN, default));
    Some(section)
}

/// A rule with conditions. Those load arguments, so that the number is loaded again after it.
fn conditional(rule: &Rule<'_>) -> Option<Program> {
    let mut body = Program::new();
    for condition in rule.conditions {
        body.extend(check(condition));
    }
    let fail = body.len() + 1;
    // What a check jumps to when it fails is known only now.
    for (index, instruction) in body.iter_mut().enumerate() {
        let distance = u8::try_from(fail - index - 1).ok()?;
        for target in [&mut instruction.jt, &mut instruction.jf] {
            if *target == FAIL {
                *target = distance;
            }
        }
    }
    body.push(statement(RETURN, rule.action));
    let skip = u8::try_from(body.len() + 1).ok()?;
    let mut program = vec![branch(IF_EQUAL, rule.number, 0, skip)];
    program.append(&mut body);
    program.push(statement(LOAD, OFFSET_NUMBER));
    Some(program)
}

/// Stands for "to the end of the rule" in the jumps of a check.
const FAIL: u8 = u8::MAX;

/// Compares a 64-bit argument, as two halves; falls through if the condition holds.
fn check(condition: &LinuxSeccompArg) -> Program {
    use LinuxSeccompOperator as Operator;

    let (high, low) = halves(condition.value());
    let offset = OFFSET_ARGUMENTS + 8 * u32::try_from(condition.index()).unwrap_or(0);
    // `seccomp_data` is in the machine's byte order; all of ours are little-endian.
    let load_low = statement(LOAD, offset);
    let load_high = statement(LOAD, offset + 4);
    // For an order, the low halves count only if the high ones are equal: `if_high` decides at
    // once, "not equal" then decides the other way.
    let ordered = |decides: u32, holds: bool, last: libc::sock_filter| {
        let decided = if holds { 3 } else { FAIL };
        let otherwise = if holds { FAIL } else { 2 };
        vec![
            load_high,
            branch(decides, high, decided, 0),
            branch(IF_EQUAL, high, 0, otherwise),
            load_low,
            last,
        ]
    };
    match condition.op() {
        Operator::ScmpCmpEq => vec![
            load_high,
            branch(IF_EQUAL, high, 0, FAIL),
            load_low,
            branch(IF_EQUAL, low, 0, FAIL),
        ],
        Operator::ScmpCmpNe => {
            vec![load_high, branch(IF_EQUAL, high, 0, 2), load_low, branch(IF_EQUAL, low, FAIL, 0)]
        }
        Operator::ScmpCmpGt => ordered(IF_GREATER, true, branch(IF_GREATER, low, 0, FAIL)),
        Operator::ScmpCmpGe => ordered(IF_GREATER, true, branch(IF_AT_LEAST, low, 0, FAIL)),
        Operator::ScmpCmpLe => ordered(IF_GREATER, false, branch(IF_GREATER, low, FAIL, 0)),
        Operator::ScmpCmpLt => ordered(IF_GREATER, false, branch(IF_AT_LEAST, low, FAIL, 0)),
        Operator::ScmpCmpMaskedEq => {
            // `value` is the mask, `valueTwo` what must be left under it.
            let (wanted_high, wanted_low) = halves(condition.value_two().unwrap_or(0));
            vec![
                load_high,
                statement(AND, high),
                branch(IF_EQUAL, wanted_high, 0, FAIL),
                load_low,
                statement(AND, low),
                branch(IF_EQUAL, wanted_low, 0, FAIL),
            ]
        }
    }
}

fn halves(value: u64) -> (u32, u32) {
    let low = value & u64::from(u32::MAX);
    (u32::try_from(value >> 32).unwrap_or(0), u32::try_from(low).unwrap_or(0))
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    branch(code, k, 0, 0)
}

fn branch(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const DENY: u32 = libc::SECCOMP_RET_ERRNO | 1;
    const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    const ARCH: u32 = 0xc000_003e;

    type Holds = fn(u64, u64) -> bool;

    /// Runs a program as the kernel would.
    fn run(program: &[libc::sock_filter], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend(0_u64.to_le_bytes());
        for argument in arguments {
            data.extend(argument.to_le_bytes());
        }
        let (mut accumulator, mut at) = (0_u32, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let mut jump = |holds: bool| {
                at += usize::from(if holds { instruction.jt } else { instruction.jf });
            };
            match u32::from(instruction.code) {
                LOAD => {
                    let offset = instruction.k as usize;
                    let bytes = data[offset..offset + 4].try_into().expect("four bytes");
                    accumulator = u32::from_le_bytes(bytes);
                }
                AND => accumulator &= instruction.k,
                IF_EQUAL => jump(accumulator == instruction.k),
                IF_GREATER => jump(accumulator > instruction.k),
                IF_AT_LEAST => jump(accumulator >= instruction.k),
                JUMP => at += instruction.k as usize,
                RETURN => return instruction.k,
                code => panic!("unknown instruction {code}"),
            }
        }
    }

    fn condition(op: &str, value: u64, value_two: u64) -> LinuxSeccompArg {
        let json =
            format!(r#"{{"index": 1, "op": "{op}", "value": {value}, "valueTwo": {value_two}}}"#);
        serde_json::from_str(&json).expect("a condition")
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let none: &[LinuxSeccompArg] = &[];
        let rules = vec![
            Rule { number: 1, conditions: none, action: ALLOW },
            Rule { number: 1, conditions: none, action: DENY },
            Rule { number: 2, conditions: none, action: NO_SUCH_CALL },
        ];
        let program = compile(&[Architecture { audit: ARCH, rules }], DENY).expect("short");
        assert_eq!(run(&program, ARCH, 1, [0; 6]), ALLOW);
        assert_eq!(run(&program, ARCH, 2, [0; 6]), NO_SUCH_CALL);
        assert_eq!(run(&program, ARCH, 3, [0; 6]), DENY);
    }

    #[test]
    fn each_architecture_has_its_own_numbers_and_others_are_killed() {
        let none: &[LinuxSeccompArg] = &[];
        let rule = |number| vec![Rule { number, conditions: none, action: ALLOW }];
        let architectures = [
            Architecture { audit: ARCH, rules: rule(1) },
            Architecture { audit: 3, rules: rule(4) },
        ];
        let program = compile(&architectures, DENY).expect("short");
        assert_eq!(run(&program, ARCH, 4, [0; 6]), DENY);
        assert_eq!(run(&program, 3, 4, [0; 6]), ALLOW);
        assert_eq!(run(&program, 7, 4, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn conditions_compare_all_64_bits() {
        let big = (5 << 32) | 7;
        let around = [0, 6, 7, 8, big - 1, big, big + 1, 4 << 32, (4 << 32) | 9, 6 << 32];
        let operators: [(&str, Holds); 6] = [
            ("SCMP_CMP_EQ", |a, b| a == b),
            ("SCMP_CMP_NE", |a, b| a != b),
            ("SCMP_CMP_LT", |a, b| a < b),
            ("SCMP_CMP_LE", |a, b| a <= b),
            ("SCMP_CMP_GT", |a, b| a > b),
            ("SCMP_CMP_GE", |a, b| a >= b),
        ];
        for (operator, holds) in operators {
            let conditions = [condition(operator, big, 0)];
            let rules = vec![
                Rule { number: 1, conditions: &conditions, action: ALLOW },
                Rule { number: 1, conditions: &[], action: libc::SECCOMP_RET_LOG },
            ];
            let program = compile(&[Architecture { audit: ARCH, rules }], DENY).expect("short");
            for value in around {
                let expected = if holds(value, big) { ALLOW } else { libc::SECCOMP_RET_LOG };
                let result = run(&program, ARCH, 1, [0, value, 0, 0, 0, 0]);
                assert_eq!(result, expected, "{value:#x} {operator} {big:#x}");
            }
        }
    }

    #[test]
    fn a_masked_comparison_looks_only_under_the_mask() {
        // As in `clone` without the flags of new namespaces.
        let conditions = [condition("SCMP_CMP_MASKED_EQ", 0x7e02_0000, 0)];
        let rules = vec![Rule { number: 1, conditions: &conditions, action: ALLOW }];
        let program = compile(&[Architecture { audit: ARCH, rules }], DENY).expect("short");
        assert_eq!(run(&program, ARCH, 1, [0, 17, 0, 0, 0, 0]), ALLOW);
        assert_eq!(run(&program, ARCH, 1, [0, 0x1000_0011, 0, 0, 0, 0]), DENY);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn calls_of_the_x32_abi_do_not_exist() {
        let program = compile(&[Architecture { audit: ARCH, rules: Vec::new() }], ALLOW);
        let result = run(&program.expect("short"), ARCH, X32_BIT | 1, [0; 6]);
        assert_eq!(result, NO_SUCH_CALL);
    }
}
