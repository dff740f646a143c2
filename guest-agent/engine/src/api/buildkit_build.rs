//! `POST /build?version=2`: BuildKit behind the classic builder's route, as Docker's command has
//! it without a plugin.
//!
//! ```text
//! POST /session                           what the build asks of its client
//! POST /build?version=2&session=…         the build, and what it tells, as lines
//! POST /build?buildid=upload-request:…    the context on the client's standard input
//! POST /build/cancel?id=…
//! ```

use std::collections::BTreeMap;
use std::io;

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, TryStreamExt as _};
use hyper::StatusCode;
use naru_buildkit::wire::control::{
    CacheOptions, CacheOptionsEntry, Exporter, SolveRequest, SolveResponse, StatusResponse,
};
use naru_buildkit::{Answers, encoded};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use super::lines::{self, Lines};
use super::query::Query;
use crate::build::BuildError;
use crate::buildkit::{Archive, BuildDoor, Uploads};
use crate::container::random_id;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// What stands before the name of a build whose context a request brings.
const UPLOAD: &str = "upload-request";
/// Options that Docker's own BuildKit drops in silence.
const LIMITS: [&str; 7] =
    ["memory", "memswap", "cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems"];

/// A query whose names may come more than once.
type Pairs = Vec<(String, String)>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CancelQuery {
    id: String,
}

/// `POST /build/cancel`. That there is no such build any more is what was wanted.
pub(super) async fn cancel(
    Extension(door): Extension<BuildDoor>,
    Query(query): Query<CancelQuery>,
) -> Result<StatusCode, ApiError> {
    if query.id.is_empty() {
        return Err(ApiError::invalid("build ID not provided"));
    }
    door.builder().uploads().cancel(&query.id);
    Ok(StatusCode::OK)
}

/// Whether a request for `/build` is for BuildKit.
pub(super) fn is_for_buildkit(query: &Pairs) -> bool {
    value(query, "version") == "2"
}

/// One build, or the context of one.
pub(super) async fn build(
    engine: Engine,
    door: BuildDoor,
    query: Pairs,
    body: Body,
) -> Result<Response, ApiError> {
    let archive = || -> Archive {
        let bytes = Body::into_data_stream(body).map_err(io::Error::other);
        Box::new(StreamReader::new(Box::pin(bytes)))
    };
    let uploads = door.builder().uploads().clone();
    let id = value(&query, "buildid").to_owned();
    if let Some(id) = id.strip_prefix(UPLOAD).and_then(|id| id.strip_prefix(':')) {
        if uploads.offer(id, archive()).await {
            return Ok(StatusCode::OK.into_response());
        }
        return Err(ApiError::invalid("no build has taken the uploaded context"));
    }
    let mut request = request(&query)?;
    let own = match value(&query, "remote") {
        "" => {
            let id = random_id();
            request.frontend_attrs.insert("context".to_owned(), Uploads::address(&id));
            Some((id, archive()))
        }
        UPLOAD => {
            request.frontend_attrs.insert("context".to_owned(), Uploads::address(&id));
            None
        }
        "client-session" => None,
        address => {
            request.frontend_attrs.insert("context".to_owned(), address.to_owned());
            None
        }
    };
    let is_image = request.exporters.iter().any(|exporter| exporter.r#type == "moby");
    let cancelled = CancellationToken::new();
    lines::answer(&engine, |lines| async move {
        let _named = uploads.named(&id, cancelled.clone());
        let (told, end) = door.build(request).map_err(failure)?;
        let over = CancellationToken::new();
        let end = async {
            let ended = cancelled.run_until_cancelled(end).await;
            over.cancel();
            ended
        };
        // A build that does not want it says why.
        let upload = over.run_until_cancelled(async {
            if let Some((id, archive)) = own {
                uploads.offer(&id, archive).await;
            }
        });
        let (ended, (), _) = tokio::join!(end, tell(told, &lines), upload);
        let Some(ended) = ended else { return Err(EngineError::Build(BuildError::Cancelled)) };
        let SolveResponse { exporter_response } = ended.map_err(failure)?;
        if let Some(id) = exporter_response.get("containerimage.config.digest").filter(|_| is_image)
        {
            lines.send(json!({ "id": "moby.image.id", "aux": { "ID": id } }));
        }
        Ok(())
    })
    .await
}

/// Sends on what a build tells, in BuildKit's own messages.
async fn tell(mut told: Answers<StatusResponse>, lines: &Lines) {
    while let Some(Ok(update)) = told.next().await {
        let message = STANDARD.encode(encoded(&update));
        lines.send(json!({ "id": "moby.buildkit.trace", "aux": message }));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn failure(status: naru_buildkit::Status) -> EngineError {
    let message = status.message().to_owned();
    EngineError::Build(BuildError::Invalid(message))
}

/// As Go's clients write it.
#[derive(Debug, Deserialize)]
struct Output {
    #[serde(rename = "Type")]
    r#type: String,
    #[serde(default, rename = "Attrs")]
    attrs: Option<BTreeMap<String, String>>,
}

/// As Go's clients write it.
#[derive(Debug, Deserialize)]
struct Limit {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Soft")]
    soft: i64,
    #[serde(rename = "Hard")]
    hard: i64,
}

/// The classic builder's options in BuildKit's terms.
fn request(query: &Pairs) -> Result<SolveRequest, ApiError> {
    refuse(query)?;
    let network = value(query, "networkmode");
    let mut cache = CacheOptions::default();
    let arguments: BTreeMap<String, Option<String>> = json_of(query, "buildargs")?;
    let is_inline = arguments.get("BUILDKIT_INLINE_CACHE").and_then(Option::as_deref);
    if matches!(is_inline, Some("1" | "true")) {
        cache.exports =
            vec![CacheOptionsEntry { r#type: "inline".to_owned(), ..CacheOptionsEntry::default() }];
    }
    let outputs: Vec<Output> = json_of(query, "outputs")?;
    let exporters = if outputs.is_empty() {
        let tags: Vec<&str> = values(query, "t").collect();
        let name = (!tags.is_empty()).then(|| ("name".to_owned(), tags.join(",")));
        vec![Exporter { r#type: "moby".to_owned(), attrs: name.into_iter().collect() }]
    } else {
        let wanted = outputs.into_iter().filter(|output| output.r#type != "cacheonly");
        let exporter = |output: Output| Exporter {
            r#type: output.r#type,
            attrs: output.attrs.unwrap_or_default(),
        };
        wanted.map(exporter).collect()
    };
    let entitlement = (network == "host").then(|| "network.host".to_owned());
    Ok(SolveRequest {
        r#ref: random_id(),
        session: value(query, "session").to_owned(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes(query, arguments)?,
        exporters,
        cache: Some(cache),
        entitlements: entitlement.into_iter().collect(),
        ..SolveRequest::default()
    })
}

fn attributes(
    query: &Pairs,
    arguments: BTreeMap<String, Option<String>>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut attributes = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        attributes.insert(name.to_owned(), value);
    };
    for (option, attribute) in [
        ("dockerfile", "filename"),
        ("target", "target"),
        ("platform", "platform"),
        ("cgroupparent", "cgroup-parent"),
    ] {
        let value = value(query, option);
        if !value.is_empty() {
            set(attribute, value.to_owned());
        }
    }
    match value(query, "networkmode") {
        "" | "default" => {}
        network @ ("host" | "none") => set("force-network-mode", network.to_owned()),
        other => {
            let message = format!("network mode {other:?} not supported by buildkit");
            return Err(ApiError::invalid(message));
        }
    }
    if flag(query, "nocache") {
        set("no-cache", String::new());
    }
    if flag(query, "pull") {
        set("image-resolve-mode", "pull".to_owned());
    }
    // One without a value is the client's own variable, which it has not.
    for (name, value) in arguments {
        if let Some(value) = value {
            set(&format!("build-arg:{name}"), value);
        }
    }
    let labels: BTreeMap<String, String> = json_of(query, "labels")?;
    for (name, value) in labels {
        set(&format!("label:{name}"), value);
    }
    let images: Vec<String> = json_of(query, "cachefrom")?;
    set("cache-from", images.join(","));
    let hosts: Vec<String> =
        values(query, "extrahosts").map(|host| host.replacen(':', "=", 1)).collect();
    set("add-hosts", hosts.join(","));
    if !matches!(value(query, "shmsize"), "" | "0") {
        set("shm-size", value(query, "shmsize").to_owned());
    }
    let limits: Vec<Limit> = json_of(query, "ulimits")?;
    let limits: Vec<String> = limits
        .iter()
        .map(|limit| format!("{}={}:{}", limit.name, limit.soft, limit.hard))
        .collect();
    set("ulimit", limits.join(","));
    Ok(attributes)
}

fn refuse(query: &Pairs) -> Result<(), ApiError> {
    for name in LIMITS {
        if !matches!(value(query, name), "" | "0") {
            return Err(ApiError::unsupported(format!("{name} is not supported by BuildKit")));
        }
    }
    if flag(query, "squash") {
        return Err(ApiError::unsupported("squash is not supported by this engine"));
    }
    Ok(())
}

/// JSON in a query; what is not there is empty.
fn json_of<T: DeserializeOwned + Default>(query: &Pairs, name: &str) -> Result<T, ApiError> {
    match value(query, name) {
        "" | "null" => Ok(T::default()),
        text => serde_json::from_str(text)
            .map_err(|error| ApiError::invalid(format!("invalid {name}: {error}"))),
    }
}

fn flag(query: &Pairs, name: &str) -> bool {
    let text = value(query, name);
    !matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
}

fn value<'a>(query: &'a Pairs, name: &'a str) -> &'a str {
    values(query, name).next().unwrap_or_default()
}

fn values<'a>(query: &'a Pairs, name: &'a str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_classic_builders_options_become_buildkits() {
        let request = request(&query(&[
            ("version", "2"),
            ("t", "a:1"),
            ("t", "b"),
            ("session", "s"),
            ("remote", "client-session"),
            ("dockerfile", "x.Dockerfile"),
            ("buildargs", r#"{"A":"1","B":null}"#),
            ("labels", r#"{"l":"v"}"#),
            ("nocache", "1"),
            ("networkmode", "host"),
            ("extrahosts", "h:::1"),
            ("memory", "0"),
            ("cachefrom", r#"["c"]"#),
            ("ulimits", r#"[{"Name":"nofile","Soft":1,"Hard":2}]"#),
        ]))
        .unwrap();
        let attribute = |name: &str| request.frontend_attrs.get(name).map(String::as_str);
        assert_eq!(request.exporters[0].attrs["name"], "a:1,b");
        assert_eq!(request.session, "s");
        assert_eq!(request.entitlements, ["network.host"]);
        assert_eq!(attribute("filename"), Some("x.Dockerfile"));
        assert_eq!((attribute("build-arg:A"), attribute("build-arg:B")), (Some("1"), None));
        assert_eq!((attribute("label:l"), attribute("no-cache")), (Some("v"), Some("")));
        assert_eq!(attribute("add-hosts"), Some("h=::1"));
        assert_eq!(attribute("ulimit"), Some("nofile=1:2"));
        assert_eq!(attribute("cache-from"), Some("c"));
    }

    #[test]
    fn what_would_be_dropped_in_silence_is_refused() {
        for (name, value) in [("memory", "4096"), ("squash", "1"), ("networkmode", "container:a")] {
            request(&query(&[(name, value)])).unwrap_err();
        }
    }
}
