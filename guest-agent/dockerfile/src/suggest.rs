//! What somebody may have meant.

use std::mem;

/// More changes than this make another word.
const DISTANCE_MAX: usize = 2;

/// The first of the options that are nearest to `value`, if any is near and none is it.
pub fn nearest<'a>(value: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for option in options {
        let distance = distance(value, option);
        if distance == 0 {
            // The value itself is fine: something else is wrong.
            return None;
        }
        if distance <= DISTANCE_MAX && best.is_none_or(|(known, _)| distance < known) {
            best = Some((distance, option));
        }
    }
    best.map(|(_, option)| option)
}

/// How many characters are to be inserted, deleted or replaced, or swapped with their neighbours.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // Without this a long word would be compared in full only to be found far away.
    if one.chars().count().abs_diff(other.len()) > DISTANCE_MAX {
        return usize::MAX;
    }
    let mut last: Vec<usize> = (0..=other.len()).collect();
    // The row before the last one, and the character that the last one is of.
    let mut before: Option<(Vec<usize>, char)> = None;
    for (line, one) in one.chars().enumerate() {
        let mut row = vec![line + 1];
        for (column, &wanted) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(one != wanted);
            let mut least = replaced.min(last[column + 1] + 1).min(row[column] + 1);
            if let (Some((before, previous)), Some(left)) = (&before, column.checked_sub(1))
                && (*previous, one) == (wanted, other[left])
            {
                least = least.min(before[left] + 1);
            }
            row.push(least);
        }
        before = Some((mem::replace(&mut last, row), one));
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let options = ["chown", "chmod", "from"];
        assert_eq!(nearest("chmd", options), Some("chmod"));
        assert_eq!(nearest("form", options), Some("from"));
        assert_eq!(nearest("RNU", ["ENV", "RUN"]), Some("RUN"), "a swap is one slip");
        assert_eq!((distance("ab", "ba"), distance("ca", "abc")), (1, 3));
        assert_eq!(nearest("link", options), None);
        assert_eq!(nearest("from", options), None, "it is there");
        assert_eq!(nearest(&"x".repeat(100_000), options), None);
    }
}
