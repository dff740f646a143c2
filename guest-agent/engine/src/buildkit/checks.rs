//! What is not as it should be in a Dockerfile, without building it: `--call check`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use naru_dockerfile::Finding;
use serde_json::{Value, json};

use super::failure;
use super::questions::{Answer, VERSION};
use crate::build::{Checked, DockerfileText};

/// What it is asked by.
pub(super) const QUESTION: &str = "frontend.lint";
const RULE: &str = "--------------------";

/// The answer, as JSON, as text, and as the status that a client ends with.
pub(super) fn answer(dockerfile: &DockerfileText, checked: &Checked) -> Answer {
    let Checked { findings, error } = checked;
    let warnings = findings.iter().map(|Finding { rule, message, lines }| {
        json!({
            "ruleName": rule.name,
            "description": rule.description,
            "url": rule.url(),
            "detail": message,
            "location": location(Some(*lines)),
        })
    });
    let mut result = json!({
        "warnings": warnings.collect::<Vec<_>>(),
        "sources": [{
            "filename": dockerfile.name,
            "data": STANDARD.encode(&dockerfile.text),
            "language": "Dockerfile",
        }],
    });
    if let Some(error) = error {
        let message = failure::told(error, dockerfile).to_string();
        result["buildError"] =
            json!({ "message": message, "location": location(failure::lines(error)) });
    }
    let status = if findings.is_empty() && error.is_none() { "0" } else { "1" };
    Answer::from([
        ("result.json".to_owned(), result.to_string().into_bytes()),
        ("result.txt".to_owned(), text(dockerfile, findings).into_bytes()),
        ("result.statuscode".to_owned(), status.as_bytes().to_vec()),
        ("version".to_owned(), VERSION.as_bytes().to_vec()),
    ])
}

/// A range for each of the lines, as BuildKit has them.
fn location(lines: Option<(u32, u32)>) -> Value {
    let Some((first, last)) = lines else { return json!({}) };
    let ranges =
        (first..=last).map(|line| json!({ "start": { "line": line }, "end": { "line": line } }));
    json!({ "ranges": ranges.collect::<Vec<_>>() })
}

/// In the order of the lines.
fn text(dockerfile: &DockerfileText, findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.lines.0);
    let one = |Finding { rule, message, lines }: &Finding| {
        let excerpt = excerpt(dockerfile, *lines);
        format!("\nWARNING: {} - {}\n{message}\n{excerpt}", rule.name, rule.url())
    };
    sorted.into_iter().map(one).collect()
}

/// The lines with some around them, as BuildKit prints them.
fn excerpt(dockerfile: &DockerfileText, (first, last): (u32, u32)) -> String {
    let number = |line: u32| usize::try_from(line).unwrap_or(usize::MAX);
    let lines: Vec<&str> = dockerfile.text.split('\n').collect();
    let (mut begin, mut end) = (number(first), number(last).min(lines.len()));
    let wanted = if begin == end { 4 } else { 2 };
    let mut added = 0;
    while added < wanted {
        if begin > 1 {
            begin -= 1;
            added += 1;
        }
        if end < lines.len() {
            end += 1;
            added += 1;
        }
        added += 1;
    }
    let shown = (begin..=end).zip(lines.iter().skip(begin.saturating_sub(1))).map(|(at, line)| {
        let mark = if (number(first)..=number(last)).contains(&at) { ">>>" } else { "   " };
        format!(" {at:3} | {mark} {line}\n")
    });
    let shown: String = shown.collect();
    format!("{}:{first}\n{RULE}\n{shown}{RULE}\n", dockerfile.name)
}

#[cfg(test)]
mod tests {
    use naru_dockerfile::Checks;

    use super::*;
    use crate::build::BuildError;

    fn checked(text: &str) -> (DockerfileText, Checked) {
        let mut checks = Checks::new(text, None).unwrap();
        checks.text();
        let dockerfile = DockerfileText { name: "Dockerfile".to_owned(), text: text.to_owned() };
        (dockerfile, Checked { findings: checks.found().to_vec(), error: None })
    }

    #[test]
    fn findings_are_told_as_buildkit_does() {
        let (dockerfile, checked) = checked("FROM x\nRUN y\nMAINTAINER \\\n me\nUSER z\n");
        let answer = answer(&dockerfile, &checked);
        let url = "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/";
        let text = format!(
            "\nWARNING: MaintainerDeprecated - {url}\nMaintainer instruction is deprecated in \
             favor of using label\nDockerfile:3\n{RULE}\n   2 |     RUN y\n   3 | >>> MAINTAINER \
             \\\n   4 | >>>  me\n   5 |     USER z\n{RULE}\n"
        );
        assert_eq!(String::from_utf8_lossy(&answer["result.txt"]), text);
        let json: Value = serde_json::from_slice(&answer["result.json"]).unwrap();
        assert_eq!(json["warnings"][0]["ruleName"], "MaintainerDeprecated");
        let ranges = &json["warnings"][0]["location"]["ranges"];
        assert_eq!(
            (&ranges[0]["start"]["line"], &ranges[1]["end"]["line"]),
            (&json!(3), &json!(4))
        );
        assert_eq!(json["sources"][0]["filename"], "Dockerfile");
        assert_eq!(json.get("buildError"), None);
        assert_eq!(answer["result.statuscode"], b"1");
    }

    #[test]
    fn a_file_that_is_as_it_should_be_ends_well_and_one_that_cannot_be_built_does_not() {
        let (dockerfile, mut checked) = checked("FROM x\n");
        assert_eq!(answer(&dockerfile, &checked)["result.statuscode"], b"0");
        checked.error = Some(BuildError::NotFound("no x".to_owned()));
        let answer = answer(&dockerfile, &checked);
        assert_eq!(answer["result.statuscode"], b"1");
        let json: Value = serde_json::from_slice(&answer["result.json"]).unwrap();
        assert_eq!(json["buildError"]["message"], "no x");
    }
}
