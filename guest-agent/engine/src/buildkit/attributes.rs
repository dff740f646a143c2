//! What a client asks of the frontend `dockerfile.v0`, by its attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bollard_stubs::models::ResourcesUlimits;
use jiff::Timestamp;
use naru_buildkit::wire::control::CacheOptionsEntry;
use naru_buildkit::{BuildError, Target};
use naru_dockerfile::{Place, boolean};
use naru_error::{ErrorKind, chain};
use naru_image_store::Platform;
use serde::Deserialize;

use super::files::Other;
use super::provenance::Provenance;
use super::solution::Solution;
use crate::build::{BuildOptions, NoCache, RunNetwork};

/// The argument that says what the machine of the `RUN`s is called.
const HOSTNAME: &str = "BUILDKIT_SANDBOX_HOSTNAME";
/// What of the frontend's protocol a client may ask for by name.
const CAPABILITIES: [&str; 3] = [
    "moby.buildkit.frontend.inputs",
    "moby.buildkit.frontend.subrequests",
    "moby.buildkit.frontend.contexts",
];

/// A build as it is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) filename: String,
    /// Where the files are, if they are in no directory of the client's.
    pub(super) address: Option<String>,
    /// Whether `.git` is kept there, unless the address says it.
    pub(super) keep_git_dir: bool,
    /// The client's names of the directory with the files, and of that with the Dockerfile.
    pub(super) files_name: String,
    pub(super) dockerfile_name: String,
    /// What takes the places of images and stages.
    pub(super) contexts: BTreeMap<String, Named>,
    /// None is the builder's own.
    pub(super) platforms: Vec<Platform>,
    /// What is to be said of it beside its image.
    pub(super) provenance: Option<Provenance>,
    /// Something else than a build: `frontend.outline`.
    pub(super) question: Option<String>,
    /// All else.
    pub(super) options: BuildOptions,
}

/// What takes the place of an image or a stage.
#[derive(Debug)]
pub(super) enum Named {
    Image(String),
    /// Files of the client's, or from elsewhere.
    Files(Other),
    Solution(Arc<Solution>),
}

impl TryFrom<Target<Solution>> for Asked {
    type Error = BuildError;

    fn try_from(target: Target<Solution>) -> Result<Self, BuildError> {
        let Target { attributes, inputs, cache_imports } = target;
        let mut asked = Self {
            filename: "Dockerfile".to_owned(),
            address: None,
            keep_git_dir: false,
            files_name: "context".to_owned(),
            dockerfile_name: "dockerfile".to_owned(),
            contexts: BTreeMap::new(),
            platforms: Vec::new(),
            provenance: Provenance::asked(&attributes)?,
            question: None,
            options: BuildOptions::default(),
        };
        for (name, value) in &attributes {
            match name.split_once(':') {
                Some(("build-arg", argument)) => asked.argument(argument, value)?,
                Some(("label", label)) => {
                    asked.options.labels.insert(label.to_owned(), value.clone());
                }
                Some(("context", context)) => {
                    let named = named(context, value, &inputs)?;
                    asked.contexts.insert(context_name(context)?, named);
                }
                // The directories of contexts come by the build's own session; what is known of
                // an input is in the input; the rest is of the provenance, which is read above.
                Some(
                    ("local-sessionid" | "input-metadata" | "vcs", _) | ("attest", "provenance"),
                ) => {}
                Some(("attest", kind)) => refuse_attestation(kind, value)?,
                _ => asked.attribute(name, value)?,
            }
        }
        // It goes before the attribute.
        if let Some(name) = asked.options.arguments.get(HOSTNAME).filter(|name| !name.is_empty()) {
            asked.options.hostname = Some(name.clone());
        }
        for import in cache_imports {
            asked.options.cache_from.push(import_of(import)?);
        }
        Ok(asked)
    }
}

impl Asked {
    fn argument(&mut self, name: &str, value: &str) -> Result<(), BuildError> {
        if name == "SOURCE_DATE_EPOCH" && !value.is_empty() {
            let invalid = || invalid(format!("invalid SOURCE_DATE_EPOCH: {value}"));
            let seconds = value.parse().map_err(|_| invalid())?;
            let epoch = Timestamp::from_second(seconds).map_err(|_| invalid())?;
            self.options.source_date_epoch = Some(epoch);
        }
        if name == "BUILDKIT_CONTEXT_KEEP_GIT_DIR" {
            // What is neither yes nor no is none, as with BuildKit.
            self.keep_git_dir = boolean(value).unwrap_or(false);
        }
        self.options.arguments.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), BuildError> {
        let options = &mut self.options;
        match name {
            "filename" => value.clone_into(&mut self.filename),
            "context" => self.address = Some(value.to_owned()),
            "contextkey" => value.clone_into(&mut self.files_name),
            "dockerfilekey" => value.clone_into(&mut self.dockerfile_name),
            "requestid" => self.question = Some(value.to_owned()),
            "target" => options.target = Some(value.to_owned()).filter(|target| !target.is_empty()),
            "platform" => self.platforms = platforms(value)?,
            "no-cache" => options.no_cache = no_cache(value),
            "image-resolve-mode" => options.pull = pull(value)?,
            "add-hosts" => options.extra_hosts = extra_hosts(value)?,
            "hostname" => options.hostname = Some(value.to_owned()).filter(|name| !name.is_empty()),
            "shm-size" => {
                let bytes =
                    value.parse().map_err(|_| invalid(format!("invalid shm-size: {value}")));
                options.limits.shm_bytes = Some(bytes?);
            }
            "ulimit" => options.limits.ulimits = ulimits(value)?,
            "cgroup-parent" => options.limits.cgroup_parent = Some(value.to_owned()),
            "force-network-mode" => options.network = network(value)?,
            "cache-from" => {
                let images = value.split(',').filter(|image| !image.is_empty());
                options.cache_from.extend(images.map(str::to_owned));
            }
            "cache-imports" => {
                let imports: Vec<Import> = serde_json::from_str(value).map_err(|error| {
                    invalid(format!("failed to unmarshal cache-imports: {error}"))
                })?;
                for Import { r#type, attrs } in imports {
                    options.cache_from.push(import_of(CacheOptionsEntry { r#type, attrs })?);
                }
            }
            "frontend.caps" => refuse_capabilities(value)?,
            // One result for several platforms has all of them in any case; the image of the
            // frontend is this builder, and which image copied files is of no use any more.
            "multi-platform" | "cmdline" | "source" | "override-copy-image" => {}
            _ if value.is_empty() => {}
            _ => {
                return Err(BuildError::new(
                    ErrorKind::Unsupported,
                    format!("the build attribute {name} is not supported by this builder"),
                ));
            }
        }
        Ok(())
    }
}

/// As Go's clients write it.
#[derive(Deserialize)]
struct Import {
    #[serde(rename = "Type")]
    r#type: String,
    #[serde(default, rename = "Attrs")]
    attrs: BTreeMap<String, String>,
}

fn invalid(message: impl Into<String>) -> BuildError {
    BuildError::new(ErrorKind::InvalidArgument, message)
}

fn unsupported(what: &str) -> BuildError {
    BuildError::new(ErrorKind::Unsupported, format!("{what} is not supported by this builder"))
}

/// A name may say for which platform it is meant; there is one builder for all.
fn context_name(name: &str) -> Result<String, BuildError> {
    match name.split_once("::") {
        None => Ok(name.to_owned()),
        Some(_) => Err(unsupported(&format!("the context {name} of one platform"))),
    }
}

fn named(
    name: &str,
    value: &str,
    inputs: &BTreeMap<String, Arc<Solution>>,
) -> Result<Named, BuildError> {
    let Some((scheme, rest)) = value.split_once(':') else {
        return Err(invalid(format!("invalid context source {value} for {name}")));
    };
    match scheme {
        "docker-image" => Ok(Named::Image(rest.trim_start_matches("//").to_owned())),
        "local" => Ok(Named::Files(Other::Directory(rest.to_owned()))),
        "input" => match inputs.get(rest) {
            Some(solution) => Ok(Named::Solution(Arc::clone(solution))),
            None => Err(invalid(format!("invalid input {rest} for {name}"))),
        },
        _ => match Place::of_context(value) {
            Ok(Place::Http | Place::Git(_)) => Ok(Named::Files(Other::Address(value.to_owned()))),
            _ => Err(unsupported(&format!("the context {value} for {name}"))),
        },
    }
}

fn platforms(value: &str) -> Result<Vec<Platform>, BuildError> {
    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let platform = |name: &str| {
        let platform: Result<Platform, _> = name.parse();
        platform.map_err(|error| {
            invalid(format!("failed to parse target platform {name}: {}", chain(&error)))
        })
    };
    names.map(platform).collect()
}

fn no_cache(value: &str) -> NoCache {
    match value {
        "" => NoCache::All,
        stages => NoCache::Stages(stages.split(',').map(str::to_owned).collect()),
    }
}

fn pull(value: &str) -> Result<bool, BuildError> {
    match value {
        "pull" => Ok(true),
        // What is here is taken, and else it is pulled.
        "" | "default" | "local" => Ok(false),
        _ => Err(invalid(format!("invalid image-resolve-mode: {value}"))),
    }
}

fn network(value: &str) -> Result<RunNetwork, BuildError> {
    match value {
        "" | "sandbox" | "default" => Ok(RunNetwork::Default),
        "none" | "host" => Ok(RunNetwork::Named(value.to_owned())),
        _ => Err(invalid(format!("invalid network mode {value}"))),
    }
}

/// `name=address` several times becomes what containers have: `name:address`.
fn extra_hosts(value: &str) -> Result<Vec<String>, BuildError> {
    let hosts = value.split(',').filter(|host| !host.is_empty()).map(|host| {
        let (name, address) = host
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| invalid(format!("invalid key-value pair {host}")))?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        Ok(format!("{name}:{address}"))
    });
    hosts.collect()
}

/// `nofile=1024:2048`, several times.
fn ulimits(value: &str) -> Result<Vec<ResourcesUlimits>, BuildError> {
    let limits = value.split(',').filter(|limit| !limit.is_empty()).map(|limit| {
        let invalid = || invalid(format!("invalid ulimit argument: {limit}"));
        let number = |text: &str| text.parse::<i64>().map_err(|_| invalid());
        let (name, values) = limit.split_once('=').ok_or_else(invalid)?;
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        Ok(ResourcesUlimits {
            name: Some(name.to_owned()),
            soft: Some(number(soft)?),
            hard: Some(number(hard)?),
        })
    });
    limits.collect()
}

/// The image that has the cache.
fn import_of(import: CacheOptionsEntry) -> Result<String, BuildError> {
    let CacheOptionsEntry { r#type, mut attrs } = import;
    if r#type != "registry" {
        return Err(unsupported(&format!("the cache import {type}")));
    }
    attrs.remove("ref").ok_or_else(|| invalid("registry cache importer requires ref"))
}

fn refuse_attestation(kind: &str, value: &str) -> Result<(), BuildError> {
    let is_off = value.split(',').any(|field| matches!(field, "disabled=true" | "false"));
    if is_off { Ok(()) } else { Err(unsupported(&format!("the attestation {kind}"))) }
}

fn refuse_capabilities(value: &str) -> Result<(), BuildError> {
    let wanted = value.split(',').map(|capability| capability.split('+').next().unwrap_or(""));
    match wanted.filter(|wanted| !wanted.is_empty()).find(|wanted| !CAPABILITIES.contains(wanted)) {
        None => Ok(()),
        Some(capability) => Err(BuildError::new(
            ErrorKind::Unsupported,
            format!("unsupported frontend capability {capability}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(attributes: &[(&str, &str)]) -> Result<Asked, BuildError> {
        let attributes = attributes.iter();
        let attributes = attributes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (inputs, cache_imports) = (BTreeMap::new(), Vec::new());
        Asked::try_from(Target { attributes: attributes.collect(), inputs, cache_imports })
    }

    #[test]
    fn all_that_buildx_says_is_understood() {
        let asked = asked(&[
            ("filename", "app.Dockerfile"),
            ("target", "app"),
            ("platform", "linux/amd64,linux/arm64"),
            ("build-arg:A", "1=2"),
            ("build-arg:SOURCE_DATE_EPOCH", "60"),
            ("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", "1"),
            ("label:a:b", "c"),
            ("context:base", "docker-image://busybox@sha256:0"),
            ("context:files", "local:files"),
            ("local-sessionid:files", "x"),
            ("no-cache", ""),
            ("image-resolve-mode", "pull"),
            ("add-hosts", "a=1.2.3.4,b=[::1]"),
            ("hostname", "maker"),
            ("shm-size", "1024"),
            ("ulimit", "nofile=1:2,core=3"),
            ("force-network-mode", "host"),
            ("cache-imports", r#"[{"Type":"registry","Attrs":{"ref":"host/cache"}}]"#),
            ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
            ("vcs:source", "https://host/repository"),
            ("attest:provenance", "disabled=true"),
        ])
        .unwrap();
        let options = &asked.options;
        assert_eq!((asked.filename.as_str(), asked.platforms.len()), ("app.Dockerfile", 2));
        assert!(asked.keep_git_dir);
        assert_eq!(options.target.as_deref(), Some("app"));
        assert_eq!(options.arguments["A"], "1=2");
        assert_eq!(options.source_date_epoch.map(Timestamp::as_second), Some(60));
        assert_eq!(options.labels["a:b"], "c");
        assert!(
            matches!(&asked.contexts["base"], Named::Image(name) if name == "busybox@sha256:0")
        );
        assert!(
            matches!(&asked.contexts["files"], Named::Files(Other::Directory(name)) if name == "files")
        );
        assert_eq!((&options.no_cache, options.pull), (&NoCache::All, true));
        assert_eq!(options.extra_hosts, ["a:1.2.3.4", "b:::1"]);
        assert_eq!(options.hostname.as_deref(), Some("maker"));
        assert_eq!(options.limits.shm_bytes, Some(1024));
        let limits: Vec<_> = options.limits.ulimits.iter().map(|l| (l.soft, l.hard)).collect();
        assert_eq!(limits, [(Some(1), Some(2)), (Some(3), Some(3))]);
        assert_eq!(options.network, RunNetwork::Named("host".to_owned()));
        assert_eq!(options.cache_from, ["host/cache"]);
    }

    #[test]
    fn an_argument_says_what_the_machine_is_called_before_the_attribute_does() {
        let argument = ("build-arg:BUILDKIT_SANDBOX_HOSTNAME", "a");
        let asked = asked(&[argument, ("hostname", "b")]).unwrap();
        assert_eq!(asked.options.hostname.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (name, value, word) in [
            ("devices", "x", "devices"),
            ("context:a", "oci-layout://a", "oci-layout"),
            ("context:a", "input:a", "invalid input a"),
            ("cache-imports", r#"[{"Type":"gha"}]"#, "gha"),
            ("attest:sbom", "", "sbom"),
            ("frontend.caps", "moby.buildkit.frontend.other", "frontend.other"),
            ("image-resolve-mode", "always", "always"),
            ("platform", "linux/a/b/c", "linux/a/b/c"),
        ] {
            let refused = asked(&[(name, value)]).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(word), "{name}: {refused}");
        }
    }
}
