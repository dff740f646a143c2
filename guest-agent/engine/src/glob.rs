//! Go's patterns of paths: `*`, `?` and `[…]`, none of which stands for a slash, and `\` before what
//! stands for itself.

/// Whether there is a pattern in it, and not just a name.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' | '?' | '[' => return true,
            '\\' => drop(rest.next()),
            _ => {}
        }
    }
    false
}

/// Whether a name, in which there is no slash, matches. A pattern that is none matches nothing.
pub(crate) fn matches(pattern: &str, name: &[u8]) -> bool {
    let Some(parts) = parts(pattern) else { return false };
    let name: Vec<char> = String::from_utf8_lossy(name).chars().collect();
    // The last star, and what it has taken.
    let mut star = None;
    let (mut part, mut at) = (0, 0);
    while at < name.len() {
        match parts.get(part) {
            Some(Part::Star) => {
                star = Some((part, at));
                part += 1;
                continue;
            }
            Some(found) if found.takes(name[at]) => {
                part += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        let Some((star_part, taken)) = star else { return false };
        star = Some((star_part, taken + 1));
        (part, at) = (star_part + 1, taken + 1);
    }
    parts[part..].iter().all(|part| *part == Part::Star)
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Star,
    Any,
    Literal(char),
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Part {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(literal) => *literal == character,
            Self::Class { is_negated, ranges } => {
                let is_in = ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
                is_in != *is_negated
            }
        }
    }
}

fn parts(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        parts.push(match character {
            '*' => Part::Star,
            '?' => Part::Any,
            '\\' => Part::Literal(rest.next()?),
            '[' => {
                let is_negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
                    let mut member = || match rest.next()? {
                        '-' | ']' => None,
                        '\\' => rest.next(),
                        other => Some(other),
                    };
                    let low = member()?;
                    let high = match rest.next_if_eq(&'-') {
                        Some(_) => match rest.next()? {
                            '-' | ']' => return None,
                            '\\' => rest.next()?,
                            other => other,
                        },
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Part::Class { is_negated, ranges }
            }
            other => Part::Literal(other),
        });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_go_matches_them() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "abc", true),
            ("a*b*c*d*e*", "axbxcxdxexxx", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a\u{263a}b", true),
            ("a[^a]b", "a\u{263a}b", true),
            ("[a-]", "a", false),
            ("[]a]", "]", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "-", true),
            ("[", "a", false),
            ("a\\", "a", false),
            ("**", "a", true),
            ("arr[[]0].txt", "arr[0].txt", true),
            ("x*", "x\n y", true),
        ] {
            assert_eq!(matches(pattern, name.as_bytes()), expected, "{pattern} {name}");
        }
        let long = "a".repeat(50_000);
        assert!(!matches("*a*a*a*a*a*b", long.as_bytes()), "and it takes no time");
    }

    #[test]
    fn a_pattern_is_told_from_a_name() {
        for (text, expected) in [("a", false), ("a*", true), ("[", true), ("a\\*", false)] {
            assert_eq!(is_pattern(text), expected, "{text}");
        }
    }
}
