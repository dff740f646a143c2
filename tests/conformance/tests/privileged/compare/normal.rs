//! Takes out of an answer what no two engines have in common: ids, times, addresses, counters.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields whose number is the moment's. That it is one is compared, and whether it is zero.
const NUMBERS: [&str; 11] = [
    "PublicPort",
    "HostPort",
    "Pid",
    "Created",
    "time",
    "timeNano",
    "SizeRw",
    "SizeRootFs",
    "NFd",
    "NGoroutines",
    "execDuration",
];
/// Parts of answers all of whose numbers are.
const COUNTERS: [&str; 6] =
    ["pids_stats", "blkio_stats", "cpu_stats", "precpu_stats", "memory_stats", "networks"];

/// Lists that are made from what has no order.
const IN_ANY_ORDER: [&str; 4] = ["Mounts", "Ports", "InsecureRegistryCIDRs", "changes"];

/// The names that this engine has for things which the other one calls otherwise.
#[derive(Default)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// The longer one first, where one is the beginning of another.
    pub(super) fn add(&mut self, own: &str, common: &str) {
        self.0.push((own.to_owned(), common.to_owned()));
    }

    pub(super) fn normal(&self, value: Value) -> Value {
        self.at("", false, value)
    }

    fn at(&self, key: &str, counted: bool, value: Value) -> Value {
        let counted = counted || COUNTERS.contains(&key);
        match value {
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| {
                    let value = self.at(&key, counted, value);
                    (self.text(&key), value)
                })
                .collect(),
            Value::Array(items) if IN_ANY_ORDER.contains(&key) => {
                let items = items.into_iter().map(|item| self.at("", counted, item));
                let mut items: Vec<Value> = items.collect();
                items.sort_by_cached_key(canonical);
                items.into()
            }
            // How many probes there were by now is the moment's too.
            Value::Array(items) if key == "Log" => {
                items.into_iter().take(1).map(|item| self.at("", counted, item)).collect()
            }
            Value::Array(items) => {
                items.into_iter().map(|item| self.at(key, counted, item)).collect()
            }
            // Of processes, ports and seconds, all of which differ.
            Value::String(text)
                if (NUMBERS.contains(&key) || key == "Processes")
                    && text.parse::<u64>().is_ok() =>
            {
                "<number>".into()
            }
            Value::String(text) if key.starts_with("Sandbox") && !text.is_empty() => {
                "<its own>".into()
            }
            Value::String(text) if key == "Status" => since(&text).into(),
            Value::String(text) => self.text(&text).into(),
            Value::Number(number)
                if counted || NUMBERS.contains(&key) && number.as_i64() != Some(0) =>
            {
                "<number>".into()
            }
            other => other,
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (own, common) in &self.0 {
            text = text.replace(own, common);
        }
        let words =
            text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"_.:-+".contains(c));
        words
            .flat_map(|word| {
                let end = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                [common(end).unwrap_or(end), &word[end.len()..]]
            })
            .collect()
    }
}

/// One text for one value, in whichever order its fields came.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(key, value)| (key, canonical(value))).collect();
            format!("{fields:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

/// `Up 3 seconds (healthy)` without the time.
fn since(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_time = |word: &str| {
        let units = ["Less", "than", "a", "About", "minute", "second", "seconds"];
        word.parse::<u32>().is_ok() || units.contains(&word)
    };
    let rest: Vec<&str> = words.iter().copied().filter(|word| !is_time(word)).collect();
    rest.join(" ")
}

/// What stands for a word that differs from engine to engine.
fn common(word: &str) -> Option<&'static str> {
    let hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let address = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok())
    };
    if word.len() == 64 && hex(word) {
        Some("<id>")
    } else if word.len() == 17 && word.split(':').all(|part| part.len() == 2 && hex(part)) {
        Some("<mac>")
    } else if address(word) && !word.starts_with("0.") && !word.starts_with("127.") {
        Some("<ip>")
    } else if word.len() >= 20 && word.starts_with("20") && word.as_bytes()[10] == b'T' {
        Some("<time>")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_of_necessity_is_taken_out() {
        let mut names = Names::default();
        names.add(&"a".repeat(64), "<web>");
        let answer = json!({
            "Id": "a".repeat(64), "Image": format!("sha256:{}", "b".repeat(64)),
            "Pid": 7, "ExitCode": 7, "IP": "172.17.0.2", "HostIp": "0.0.0.0",
            "At": "2026-11-26T02:27:07.702622219Z", "Never": "0001-01-01T00:00:00Z",
            "cpu_stats": { "total": 0 }, "Mac": "02:42:ac:11:00:02",
        });
        let expected = json!({
            "Id": "<web>", "Image": "sha256:bbbb", "Pid": "<number>", "ExitCode": 7,
            "IP": "<ip>", "HostIp": "0.0.0.0", "At": "<time>", "Never": "0001-01-01T00:00:00Z",
            "cpu_stats": { "total": "<number>" }, "Mac": "<mac>",
        });
        let mut normal = names.normal(answer);
        // A digest is the image's own: it is the same everywhere.
        assert_eq!(normal["Image"], format!("sha256:{}", "b".repeat(64)));
        normal["Image"] = "sha256:bbbb".into();
        assert_eq!(normal, expected);
    }
}
