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
                match field {
                    Value::String(text) if is_secret(name) && !text.is_empty() => {
                        TAKEN_OUT.clone_into(text);
                    }
                    field => take_out(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(take_out),
        Value::String(text) => *text = without_in(text),
        _ => {}
    }
}

/// A text without passwords in URLs, values of variables that are called like secrets, and what
/// follows an authorization's scheme.
pub(super) fn without_in(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut is_next = false;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        match assigned(word) {
            _ if is_next && !word.is_empty() => kept.push_str(TAKEN_OUT),
            Some(beginning) => {
                kept.push_str(beginning);
                kept.push_str(TAKEN_OUT);
            }
            None => kept.push_str(&without_user(word)),
        }
        kept.push_str(space);
        is_next = SCHEMES.contains(&bare.as_str()) || (is_next && word.is_empty());
    }
    kept
}

/// The beginning of `name=value`, as far as the value, of a secret that has one.
fn assigned(word: &str) -> Option<&str> {
    let mut signs = word.match_indices('=').map(|(at, _)| at);
    let at = signs.find(|at| word[..*at].rsplit('=').next().is_some_and(is_secret))?;
    let value = word[at + 1..].trim_matches(['"', '\'', ',', ';']);
    (!value.is_empty()).then(|| &word[..=at])
}

/// URLs without who is logged in by them.
fn without_user(word: &str) -> String {
    let mut kept = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(['/', '"', '\'', '?', '#', ',']).unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        kept.push_str(before);
        kept.push_str("://");
        match authority.rsplit_once('@') {
            Some((_, host)) => kept.extend([TAKEN_OUT, "@", host]),
            None => kept.push_str(authority),
        }
        rest = path;
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
        });
        let expected = json!({
            "client_key": "•••", "empty_key": "", "cpus": 2,
            "in": [{ "password": "•••", "proxy": "http://•••@p" }],
        });
        assert_eq!(without(value), expected);
    }
}
