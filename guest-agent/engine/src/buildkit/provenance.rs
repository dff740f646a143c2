//! How an image was made, as it is said beside it: a statement of SLSA's, in BuildKit's words
//! ("SLSA definitions" of BuildKit's documentation), with as little as its mode `min` says.
//!
//! Nothing is said unless a client asks for it by name: what buildx asks for by itself, with every
//! build, makes another image of each build and an index of each image.

use std::collections::BTreeMap;

use jiff::Timestamp;
use naru_buildkit::BuildError;
use naru_error::ErrorKind;
use naru_image_store::{Attestation, Platform};
use serde_json::{Map, Value, json};

use crate::build::{Built, Material};
use crate::registries::without_password;

const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v0.2";
const BUILD_TYPE: &str = "https://mobyproject.org/buildkit@v1";
/// What buildx asks for when nobody has asked it.
const BY_ITSELF: &str = "mode=min,inline-only=true";
/// The attributes of a build that are told. Arguments and labels may be nobody else's business.
const TOLD: [&str; 9] = [
    "add-hosts",
    "cmdline",
    "filename",
    "force-network-mode",
    "no-cache",
    "shm-size",
    "source",
    "target",
    "ulimit",
];

/// What is to be said of a build.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Provenance {
    /// Only where it is a part of an image.
    pub(super) is_inline_only: bool,
    builder_id: String,
    is_reproducible: bool,
    /// Where the build's description is, and the directories and words that it came with.
    invocation: Value,
    /// What the client knows of a repository.
    repository: Map<String, Value>,
}

impl Provenance {
    /// What the attributes of a build ask for, if they do.
    pub(super) fn asked(attributes: &BTreeMap<String, String>) -> Result<Option<Self>, BuildError> {
        let Some(value) = attributes.get("attest:provenance") else { return Ok(None) };
        if value == BY_ITSELF {
            return Ok(None);
        }
        let mut provenance = Self {
            is_inline_only: false,
            builder_id: String::new(),
            is_reproducible: false,
            invocation: invocation(attributes),
            repository: Map::new(),
        };
        for field in value.split(',').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            match (name, value) {
                ("disabled", "true") | ("false", "") => return Ok(None),
                ("type", "provenance")
                | ("disabled", "false")
                | ("mode", "min")
                | ("version", "v0.2")
                | ("true", "") => {}
                ("inline-only", "true" | "false") => provenance.is_inline_only = value == "true",
                ("reproducible", "true" | "false") => provenance.is_reproducible = value == "true",
                ("builder-id", id) => id.clone_into(&mut provenance.builder_id),
                _ => {
                    let message =
                        format!("{field} of the provenance is not supported by this builder");
                    return Err(BuildError::new(ErrorKind::Unsupported, message));
                }
            }
        }
        for name in ["source", "revision"] {
            if let Some(value) = attributes.get(&format!("vcs:{name}")) {
                provenance.repository.insert(name.to_owned(), json!(value));
            }
        }
        Ok(Some(provenance))
    }

    /// Says it of what has been built.
    pub(super) fn of(&self, built: &Built, reference: &str, finished: Timestamp) -> Attestation {
        let mut metadata = Map::new();
        if !self.repository.is_empty() {
            metadata.insert("vcs".to_owned(), json!(self.repository));
        }
        let materials: Vec<Value> = built.materials.iter().map(material).collect();
        let predicate = json!({
            "builder": { "id": self.builder_id },
            "buildType": BUILD_TYPE,
            "materials": materials,
            "invocation": self.invocation,
            "metadata": {
                "buildInvocationID": reference,
                "buildStartedOn": built.began.to_string(),
                "buildFinishedOn": finished.to_string(),
                // Arguments are left out, and of files from elsewhere than images nothing is told.
                "completeness": { "parameters": false, "environment": true, "materials": false },
                "reproducible": self.is_reproducible,
                (format!("{BUILD_TYPE}#metadata")): metadata,
            },
        });
        Attestation { predicate_type: PREDICATE_TYPE, predicate }
    }
}

fn invocation(attributes: &BTreeMap<String, String>) -> Value {
    let told = attributes.iter().filter(|(name, _)| TOLD.contains(&name.as_str()));
    let arguments: Map<String, Value> =
        told.map(|(name, value)| (name.clone(), json!(value))).collect();
    let entry_point = attributes.get("filename").map_or("Dockerfile", String::as_str);
    let mut source = json!({ "entryPoint": entry_point });
    let mut parameters = json!({ "frontend": "dockerfile.v0", "args": arguments });
    match attributes.get("context") {
        Some(address) => source["uri"] = json!(without_password(address)),
        None => parameters["locals"] = json!([{ "name": "context" }, { "name": "dockerfile" }]),
    }
    json!({
        "configSource": source,
        "parameters": parameters,
        "environment": { "platform": Platform::host().to_string() },
    })
}

fn material(Material { name, digest }: &Material) -> Value {
    match digest {
        Some(digest) => json!({ "uri": name, "digest": { "sha256": digest.hex() } }),
        None => json!({ "uri": name }),
    }
}

#[cfg(test)]
mod tests {
    use naru_image_store::Digest;

    use super::*;
    use crate::build::MadeStages;

    fn asked(value: &str) -> Result<Option<Provenance>, BuildError> {
        let attributes = [
            ("attest:provenance", value),
            ("build-arg:SECRET", "1"),
            ("filename", "app.Dockerfile"),
            ("target", "app"),
            ("vcs:source", "https://host/repository"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Provenance::asked(&attributes.into())
    }

    #[test]
    fn nothing_is_said_unless_it_is_asked_for_by_name() {
        assert_eq!(Provenance::asked(&BTreeMap::new()).unwrap(), None);
        for value in [BY_ITSELF, "false", "disabled=true", "type=provenance,disabled=true"] {
            assert_eq!(asked(value).unwrap(), None, "{value}");
        }
        for value in ["", "mode=min", "type=provenance,disabled=false", "builder-id=x"] {
            assert!(!asked(value).unwrap().unwrap().is_inline_only, "{value}");
        }
        assert!(asked("mode=min,inline-only=true,builder-id=x").unwrap().unwrap().is_inline_only);
        for value in ["mode=max", "version=v1", "filename=x", "inline-only=perhaps"] {
            assert!(asked(value).unwrap_err().to_string().contains(value), "{value}");
        }
    }

    #[test]
    fn arguments_are_not_told() {
        let provenance = asked("builder-id=https://host/run/1").unwrap().unwrap();
        let name = "pkg:docker/busybox@latest?platform=linux%2Famd64".to_owned();
        let built = Built {
            platform: Platform::host(),
            config: Vec::new(),
            layers: Vec::new(),
            materials: vec![Material { name: name.clone(), digest: Some(Digest::of(b"")) }],
            began: Timestamp::UNIX_EPOCH,
            stages: MadeStages::default(),
        };
        let said = provenance.of(&built, "build", Timestamp::from_second(5).unwrap());
        let predicate = said.predicate;
        assert!(!predicate.to_string().contains("SECRET"), "{predicate}");
        assert_eq!(predicate["builder"]["id"], "https://host/run/1");
        assert_eq!(predicate["materials"][0]["uri"], name);
        let invocation = &predicate["invocation"];
        assert_eq!(invocation["configSource"]["entryPoint"], "app.Dockerfile");
        assert_eq!(invocation["parameters"]["args"]["target"], "app");
        assert_eq!(predicate["metadata"]["buildFinishedOn"], "1970-01-01T00:00:05Z");
        let own = &predicate["metadata"][format!("{BUILD_TYPE}#metadata")];
        assert_eq!(own["vcs"]["source"], "https://host/repository");
    }
}
