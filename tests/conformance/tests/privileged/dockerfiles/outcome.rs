//! Whether a build came out as its case expects, and what of it is compared.

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};

use super::case::Case;
use super::side::{Builder, Built};

/// Holds what a case expects of every builder. Files are looked at after the last build.
pub(super) fn check(
    case: &Case,
    builder: Builder,
    built: &Built,
    is_last: bool,
) -> anyhow::Result<()> {
    let fails = !case.fails.is_empty() || !case.naru_says.is_empty();
    let Built { code, said, outcome, .. } = built;
    ensure!(fails == (*code != 0), "{builder:?} ends with {code}:\n{said}");
    let own = case.naru_says.iter().filter(|_| builder.is_naru());
    for words in case.fails.iter().filter(|_| fails).chain(own) {
        ensure!(said.contains(words), "{builder:?} does not say {words:?}:\n{said}");
    }
    if !is_last {
        return Ok(());
    }
    for (place, expected) in &case.expect {
        let outcome = outcome.as_ref().context("an image")?;
        let found =
            if place.starts_with('/') { file(outcome, place) } else { text(outcome, place) };
        if found != *expected {
            bail!("{builder:?} has at {place} {found:?} in place of {expected:?}");
        }
    }
    Ok(())
}

/// `file 644 0:0 content`, `dir 755 0:0`, `link target`, or nothing.
fn file(outcome: &Value, path: &str) -> String {
    let file = &outcome["files"][path.trim_start_matches('/')];
    let part = |name: &str| file[name].as_str().unwrap_or_default();
    match part("type") {
        "" => "nothing".to_owned(),
        "link" => format!("link {}", part("target")),
        "file" => format!("file {} {} {}", part("mode"), part("owner"), part("content")),
        kind => format!("{kind} {} {}", part("mode"), part("owner")),
    }
}

/// What is at `config/User`, as text or JSON.
fn text(outcome: &Value, place: &str) -> String {
    match outcome.pointer(&format!("/{place}")).unwrap_or(&Value::Null) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// All that is compared.
pub(super) fn shown(built: Built, with_steps: bool) -> Value {
    let Some(mut outcome) = built.outcome else { return json!({ "fails": built.code }) };
    if with_steps {
        let steps = built.cached.into_iter().map(|(step, cached)| (step, json!(cached)));
        outcome["cached"] = Value::Object(steps.collect::<Map<_, _>>());
    }
    // Cases expect it where it is determined.
    outcome.as_object_mut().map(|outcome| outcome.remove("created"));
    outcome
}
