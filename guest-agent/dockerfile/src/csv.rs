//! Values with commas between them.

use crate::error::Problem;

/// A line of comma-separated values, which may be in double quotes.
pub(crate) fn fields(line: &str) -> Result<Vec<String>, Problem> {
    let broken = |what: &str| {
        let message = format!("failed to parse csv mounts: {what}");
        Problem::Mount { message, nearest: None }
    };
    // The byte before which `left` bytes more are left.
    let at = |left: usize, what: &str| {
        broken(&format!("parse error on line 1, column {}: {what}", line.len() - left + 1))
    };
    if line.is_empty() {
        return Err(broken("EOF"));
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            if let Some(quote) = field.find('"') {
                return Err(at(rest.len() - quote, "bare \" in non-quoted-field"));
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut tail = quoted;
        loop {
            let (part, after) = tail
                .split_once('"')
                .ok_or_else(|| at(tail.len(), "extraneous or missing \" in quoted-field"))?;
            field.push_str(part);
            tail = after.strip_prefix('"').unwrap_or(after);
            if tail.len() == after.len() {
                break;
            }
            field.push('"');
        }
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(after) => rest = after,
            None if tail.is_empty() => return Ok(fields),
            None => return Err(at(tail.len() + 1, "extraneous or missing \" in quoted-field")),
        }
    }
}
