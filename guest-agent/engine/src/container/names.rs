//! Names: the rule for a given one, and one made up when none is given.

use rand::seq::IndexedRandom as _;

use crate::error::{EngineError, Result};

/// How many made-up names are tried before a number is put behind one.
const TRIES: usize = 8;

const KINDS: [&str; 24] = [
    "amber", "bold", "brisk", "calm", "clear", "coral", "eager", "fair", "gentle", "glad",
    "golden", "keen", "light", "lucid", "mellow", "merry", "quick", "quiet", "silver", "steady",
    "still", "sunny", "swift", "warm",
];

const BOATS: [&str; 24] = [
    "barge", "brig", "canoe", "clipper", "cog", "cutter", "dinghy", "dory", "ferry", "galley",
    "gondola", "junk", "kayak", "ketch", "launch", "lugger", "pinnace", "punt", "raft", "schooner",
    "skiff", "sloop", "tender", "yawl",
];

/// Checks a name by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(super) fn check(name: &str) -> Result<()> {
    let mut characters = name.chars();
    let first_fits = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest_fits = characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if first_fits && rest_fits && name.len() >= 2 {
        return Ok(());
    }
    Err(EngineError::Invalid(format!(
        "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )))
}

/// The same for a new name of a container that has one, which Docker shows with its slash.
pub(super) fn check_renamed(name: &str) -> Result<()> {
    check(name).map_err(|error| match error {
        EngineError::Invalid(message) => {
            EngineError::Invalid(message.replacen(&format!("({name})"), &format!("(/{name})"), 1))
        }
        other => other,
    })
}

/// Makes up a name that `is_free`.
pub(super) fn make_up(is_free: impl Fn(&str) -> bool) -> String {
    let mut random = rand::rng();
    let mut pick = |words: &[&'static str]| words.choose(&mut random).copied().unwrap_or("naru");
    let mut candidate = String::new();
    for _ in 0..TRIES {
        candidate = format!("{}_{}", pick(&KINDS), pick(&BOATS));
        if is_free(&candidate) {
            return candidate;
        }
    }
    (1..u64::MAX)
        .map(|number| format!("{candidate}{number}"))
        .find(|name| is_free(name))
        .expect("some number is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_rule() {
        for name in ["web", "a1", "my_app-1.2"] {
            check(name).unwrap();
        }
        for name in ["", "a", "-web", "we b", "../x", "ü1"] {
            let error = check(name).unwrap_err();
            assert!(error.to_string().starts_with("Invalid container name"), "{name}");
        }
    }

    #[test]
    fn a_made_up_name_is_a_good_one_even_when_all_are_taken() {
        let name = make_up(|name| name.ends_with('7'));
        check(&name).unwrap();
        assert!(name.ends_with('7'));
    }
}
