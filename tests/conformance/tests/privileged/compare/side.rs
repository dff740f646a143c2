//! One of the two engines, and what it answered.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use naru_test_framework::images;
use serde_json::{Value, json};

use super::differences::Answers;
use super::normal::Names;
use crate::raw::{Connection, request_at};

const JSON: [&str; 2] = ["Connection: close", "Content-Type: application/json"];

/// One of the two engines.
pub(super) struct Side {
    socket: PathBuf,
    /// Where it keeps what it has.
    root: String,
    versions: [String; 2],
}

impl Side {
    pub(super) fn new(socket: PathBuf) -> anyhow::Result<Self> {
        let mut side = Self { socket, root: String::new(), versions: Default::default() };
        side.root = side.info("DockerRootDir")?;
        let version = side.request("GET", "/version", b"")?.json()?;
        for (field, into) in ["MinAPIVersion", "ApiVersion"].iter().zip(&mut side.versions) {
            version[field].as_str().context("a version")?.clone_into(into);
        }
        let archive = images::busybox()?.docker_archive("busybox:latest")?;
        let headers = ["Connection: close", "Content-Type: application/x-tar"];
        let mut loaded = request_at(&side.socket, "POST", "/images/load", &headers, archive)?;
        let said = String::from_utf8(loaded.body()?)?;
        ensure!(said.contains("Loaded image: busybox:latest"), "{said}");
        // Whatever was done with this Docker before, the time of the last tag is a time.
        let tag = "/images/busybox/tag?repo=busybox&tag=latest";
        ensure!(side.request("POST", tag, b"")?.status == 201, "tagging fails");
        Ok(side)
    }

    /// A text of `GET /info`.
    pub(super) fn info(&self, field: &str) -> anyhow::Result<String> {
        let info = self.request("GET", "/info", b"")?.json()?;
        Ok(info[field].as_str().with_context(|| format!("{field} in {info}"))?.to_owned())
    }

    pub(super) fn speaks(&self, version: &str) -> bool {
        let minor = |text: &str| text.split_once('.')?.1.parse::<u32>().ok();
        let [from, to] = &self.versions;
        (minor(from)..=minor(to)).contains(&minor(version))
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Connection> {
        request_at(&self.socket, method, &encoded(path), &JSON, body)
    }

    /// Begins to ask at one version of the API.
    pub(super) fn at<'a>(&'a self, version: &'a str) -> Asking<'a> {
        let mut names = Names::default();
        names.add(&self.root, "<root>");
        Asking { side: self, version, answers: Answers::new(), names }
    }
}

/// JSON in a query is readable here, and is not on the wire.
fn encoded(path: &str) -> String {
    let encode = |c: char| match c {
        '{' | '}' | '"' | '[' | ']' => format!("%{:02X}", u32::from(c)),
        other => other.to_string(),
    };
    path.chars().map(encode).collect()
}

/// Requests at one version of the API; each answer is kept.
pub(super) struct Asking<'a> {
    side: &'a Side,
    pub(super) version: &'a str,
    answers: Answers,
    names: Names,
}

impl Asking<'_> {
    /// Asks, and gives the connection with the head of the answer; nothing is kept.
    pub(super) fn open(&self, method: &str, path: &str) -> anyhow::Result<Connection> {
        self.side.request(method, &format!("/v{}{path}", self.version), b"")
    }

    /// Asks with a body, and keeps the whole answer as that of `case`; gives its body.
    pub(super) fn send(
        &mut self,
        case: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Value> {
        let path = format!("/v{}{path}", self.version);
        let answer = self.side.request(method, &path, body.as_bytes());
        let answer = answer.and_then(|mut answer| {
            let body = answer.body()?;
            Ok((answer, body))
        });
        let (answer, body) = answer.with_context(|| format!("{case}: {method} {path}"))?;
        let body = match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(_) => Value::from(String::from_utf8_lossy(&body)),
        };
        let kept = json!({
            "status": answer.status,
            "content-type": answer.header("content-type").filter(|_| body != ""),
            "body": body,
        });
        self.answers.insert(case.to_owned(), kept);
        Ok(body)
    }

    /// Asks without a body.
    pub(super) fn ask(&mut self, case: &str, method: &str, path: &str) -> anyhow::Result<Value> {
        self.send(case, method, path, "")
    }

    /// Keeps something else that is to be compared.
    pub(super) fn keep(&mut self, case: &str, value: Value) {
        self.answers.insert(case.to_owned(), value);
    }

    /// Makes a container of which only the answer's shape is kept.
    pub(super) fn create(&mut self, name: &str, body: &Value) -> anyhow::Result<String> {
        let path = format!("/containers/create?name={name}");
        let made = self.send(&format!("create/{name}"), "POST", &path, &body.to_string())?;
        let id = made["Id"].as_str().with_context(|| format!("create {name}: {made}"))?.to_owned();
        self.named(&id, name);
        Ok(id)
    }

    /// Shows what this engine alone has under a name that the other one has too.
    pub(super) fn call(&mut self, own: &str, common: &str) {
        self.names.add(own, common);
    }

    /// Shows a container's id as its name.
    pub(super) fn named(&mut self, id: &str, name: &str) {
        self.call(id, &format!("<{name}>"));
        self.call(&id[..12], &format!("<short {name}>"));
    }

    /// Does what the scenario needs, which must succeed.
    pub(super) fn must(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let path = format!("/v{}{path}", self.version);
        let mut answer = self.side.request(method, &path, body.as_bytes())?;
        let body = String::from_utf8(answer.body()?)?;
        ensure!(answer.status < 300, "{method} {path}: {} {body}", answer.status);
        Ok(serde_json::from_str(&body).unwrap_or_default())
    }

    pub(super) fn remove_all(&mut self) -> anyhow::Result<()> {
        let all = self.must("GET", "/containers/json?all=1", "")?;
        for container in all.as_array().into_iter().flatten() {
            let id = container["Id"].as_str().context("an id")?;
            self.must("DELETE", &format!("/containers/{id}?force=1&v=1"), "")?;
        }
        Ok(())
    }

    /// The answers, with what is different of necessity taken out.
    pub(super) fn finish(self) -> Answers {
        let Self { answers, names, .. } = self;
        answers.into_iter().map(|(case, answer)| (case, names.normal(answer))).collect()
    }
}
