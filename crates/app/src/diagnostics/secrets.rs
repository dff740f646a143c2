//! What looks like a secret, taken out. Rather too much than too little.

use serde_json::Value;

/// What stands in a secret's place.
const TAKEN_OUT: &str = "•••";
/// What is in the names of secrets; the window's own list.
const SECRET: [&str; 6] = ["pass", "secret", "token", "key", "credential", "auth"];
/// After these comes a secret.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// The same without the values of secrets.
pub(super) fn without(mut value: Value) -> Value {
    take_out(&mut value);
    value
}

fn take_out(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if is_secret(name) { hide(field) } else { take_out(field) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(take_out),
        Value::String(text) => *text = without_in(text),
        _ => {}
    }
}

/// Hides every text in what is called like a secret.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) if !text.is_empty() => TAKEN_OUT.clone_into(text),
        _ => {}
    }
}

/// A text without passwords in URLs, values of variables and fields that are called like secrets,
/// and what follows an authorization's scheme.
pub(super) fn without_in(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut is_next = false;
    // The quotation mark that a secret of several words ends with.
    let mut open = None;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        if !word.is_empty() {
            let goes_on = open.is_some() || (is_next && !is_scheme(word));
            let beginning = if goes_on { Some("") } else { assigned(word) };
            match beginning {
                Some(beginning) => kept.extend([beginning, TAKEN_OUT]),
                None => kept.push_str(&without_user(word)),
            }
            open = still_open(open, beginning.map(|beginning| &word[beginning.len()..]));
            is_next = is_scheme(word) || announces(word);
        }
        kept.push_str(space);
        // No mark is looked for on another line: it may never come.
        open = open.filter(|_| space != "\n");
    }
    kept
}

fn is_scheme(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    SCHEMES.contains(&bare.as_str())
}

/// Whether a secret follows, as after `password:`. A module's name, as logs have it, announces none.
fn announces(word: &str) -> bool {
    word.strip_suffix(':').is_some_and(|name| !name.contains("::") && is_secret(name))
}

/// The beginning of `name=value` or `"name":value`, as far as the value, of a secret that has one.
fn assigned(word: &str) -> Option<&str> {
    let is_sign = |at: &usize| word[*at..].starts_with('=') || word[..*at].ends_with('"');
    let mut signs = word.match_indices(['=', ':']).map(|(at, _)| at).filter(is_sign);
    let at = signs.find(|at| word[..*at].rsplit(['=', ',', '{']).next().is_some_and(is_secret))?;
    let value = word[at + 1..].trim_matches(['"', '\'', ',', ';', '{', '}', '[', ']']);
    (!value.is_empty()).then(|| &word[..=at])
}

/// The mark that a secret's next words have to end with, after this part of it.
fn still_open(open: Option<char>, part: Option<&str>) -> Option<char> {
    let part = part?;
    let mark = open.or_else(|| part.chars().next().filter(|first| ['"', '\''].contains(first)))?;
    let rest = if open.is_some() { part } else { &part[1..] };
    (!rest.contains(mark)).then_some(mark)
}

/// URLs without who is logged in by them.
fn without_user(word: &str) -> String {
    let mut kept = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("://") {
        kept.extend([before, "://"]);
        // A password may have commas and apostrophes, as a list of URLs has between them.
        let end = after.find(['/', '"', '?', '#']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                kept.push_str(TAKEN_OUT);
                &after[at..]
            }
            None => after,
        };
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_in_a_text_are_taken_out_and_all_else_stays() {
        for (text, expected) in [
            ("get http://me:hush@proxy:1/a now\n", "get http://•••@proxy:1/a now\n"),
            ("a=b,\tDB_PASSWORD=hush x", "a=b,\tDB_PASSWORD=••• x"),
            (
                "--env=DB_PASSWORD=hush http://h/?token=hush",
                "--env=DB_PASSWORD=••• http://h/?token=•••",
            ),
            ("Authorization: Bearer  hush\nok", "Authorization: Bearer  •••\nok"),
            (
                "{\"proxy\":\"http://u:p@h\",\"x\":\"http://h\"}",
                "{\"proxy\":\"http://•••@h\",\"x\":\"http://h\"}",
            ),
            ("key= token=\"\" mail a@b", "key= token=\"\" mail a@b"),
            (
                "http://me:h,u'sh@proxy,http://b,http://x:hush@c",
                "http://•••@proxy,http://b,http://•••@c",
            ),
            ("PASS=\"hush hush\", b\npass='hush\nc", "PASS=••• ••• b\npass=•••\nc"),
            ("password: hush, user: me", "password: ••• user: me"),
            ("{\"token\":\"hush\",\"a\":1} {\"a\":\"key\"}", "{\"token\":••• {\"a\":\"key\"}"),
            ("naru_app::credentials: not found", "naru_app::credentials: not found"),
            ("[    0.1] Linux version 6.12\r\n", "[    0.1] Linux version 6.12\r\n"),
        ] {
            assert_eq!(without_in(text), expected);
        }
    }

    #[test]
    fn secrets_in_fields_are_taken_out_however_deep() {
        let value = json!({
            "client_key": "-----BEGIN\nhush", "empty_key": "", "cpus": 2,
            "in": [{ "password": "hush", "proxy": "http://u:hush@p" }],
            "tokens": ["hush", { "first": "hush", "count": 1 }],
        });
        let expected = json!({
            "client_key": "•••", "empty_key": "", "cpus": 2,
            "in": [{ "password": "•••", "proxy": "http://•••@p" }],
            "tokens": ["•••", { "first": "•••", "count": 1 }],
        });
        assert_eq!(without(value), expected);
    }
}
