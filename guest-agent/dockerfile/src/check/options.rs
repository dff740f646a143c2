//! `# check=`: which checks are made, and whether what they find ends a build.

use crate::boolean::boolean;
use crate::error::Problem;

/// Which checks are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    skipped: Selection,
    /// Those that are only made where they are asked for.
    experimental: Selection,
    /// Whether a build fails by what is found.
    pub is_error: bool,
}

/// Some rules, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Selection {
    all: bool,
    names: Vec<String>,
}

impl CheckOptions {
    /// Reads `skip=A,B;error=true;experimental=all`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut options = Self::default();
        for part in text.trim().splitn(3, ';').filter(|_| !text.trim().is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| Problem::CheckOption(part.to_owned()))?;
            match name.trim() {
                "skip" => options.skipped = Selection::parse(value),
                "experimental" => options.experimental = Selection::parse(value),
                "error" => {
                    let switch = boolean(value.trim());
                    options.is_error =
                        switch.ok_or_else(|| Problem::CheckSwitch(part.to_owned()))?;
                }
                other => return Err(Problem::CheckOption(other.to_owned())),
            }
        }
        Ok(options)
    }

    /// Whether the rule is looked at.
    pub(super) fn covers(&self, name: &str, is_experimental: bool) -> bool {
        if is_experimental { self.experimental.has(name) } else { !self.skipped.has(name) }
    }
}

impl Selection {
    fn parse(text: &str) -> Self {
        match text.trim() {
            "all" => Self { all: true, names: Vec::new() },
            names => {
                let names = names.split(',').map(|name| name.trim().to_owned());
                Self { all: false, names: names.collect() }
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.all || self.names.iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_skipped_asked_for_and_made_errors() {
        let options = CheckOptions::parse(" skip=A, B ;error=true; experimental=C").unwrap();
        assert!(options.is_error);
        assert!(!options.covers("A", false) && !options.covers("B", false));
        assert!(options.covers("C", false) && options.covers("C", true));
        assert!(!options.covers("D", true));
        let all = CheckOptions::parse("skip=all;experimental=all").unwrap();
        assert!(!all.covers("A", false) && all.covers("A", true));
        assert_eq!(CheckOptions::parse(""), Ok(CheckOptions::default()));
    }

    #[test]
    fn what_is_no_option_is_named() {
        for (text, message) in [
            ("skip", "failed to parse check options: invalid check option \"skip\""),
            ("warn=1", "failed to parse check options: invalid check option \"warn\""),
            (
                "error=maybe",
                "failed to parse check options: failed to parse check option \"error=maybe\"",
            ),
        ] {
            assert_eq!(CheckOptions::parse(text).unwrap_err().to_string(), message);
        }
    }
}
