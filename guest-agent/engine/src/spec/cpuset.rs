//! `--cpuset-cpus` and `--cpuset-mems`: lists such as `0-2,7`, of what the machine has.

use std::collections::BTreeSet;
use std::fs;

use crate::error::{EngineError, Result};

/// More numbers than any list has; a range of all that there are must not be written out.
const MOST: u32 = 1 << 13;

const CPUS: &str = "/sys/devices/system/cpu/online";
const MEMORY_NODES: &str = "/sys/devices/system/node/online";

/// Refuses in Docker's words a list that is none, or has processors that are not there.
pub(super) fn check_cpus(wanted: &str) -> Result<()> {
    check(wanted, "cpuset cpus", "CPUs", &available(CPUS))
}

/// The same of memory nodes.
pub(super) fn check_memory_nodes(wanted: &str) -> Result<()> {
    check(wanted, "cpuset mems", "memory nodes", &available(MEMORY_NODES))
}

/// A kernel without nodes has one of them.
fn available(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "0".to_owned(), |text| text.trim().to_owned())
}

fn check(wanted: &str, option: &str, what: &str, available: &str) -> Result<()> {
    let Some(numbers) = parse(wanted) else {
        return Err(EngineError::Invalid(format!("Invalid value {wanted} for {option}")));
    };
    if !parse(available).is_some_and(|available| numbers.is_subset(&available)) {
        return Err(EngineError::Invalid(format!(
            "Requested {what} are not available - requested {wanted}, available: {available}"
        )));
    }
    Ok(())
}

fn parse(list: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_has_may_be_asked_for() {
        for wanted in ["0", "0-1", "1,0", "0-0,1"] {
            check(wanted, "cpuset cpus", "CPUs", "0-1").unwrap();
        }
    }

    #[test]
    fn what_it_lacks_is_refused_in_dockers_words() {
        let error = check("1,9", "cpuset cpus", "CPUs", "0-1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Requested CPUs are not available - requested 1,9, available: 0-1"
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for wanted in ["x", "-1", "1-", "2-1", "0,,1", "0-4294967295"] {
            let error = check(wanted, "cpuset mems", "memory nodes", "0-3").unwrap_err();
            assert_eq!(error.to_string(), format!("Invalid value {wanted} for cpuset mems"));
        }
    }
}
