//! What the query of a `POST /build` asks for.

use std::collections::BTreeMap;

use bollard_stubs::models::ResourcesUlimits;
use naru_error::chain;
use naru_image_store::ImageReference;
use serde::de::DeserializeOwned;

use super::super::error::ApiError;
use super::super::query::Flag;
use crate::build::{BuildOptions, Limits, NoCache, RunNetwork};

const DOCKERFILE: &str = "Dockerfile";
/// All that is known; what else there may be is left alone, as in Docker.
const SINGLE: [&str; 28] = [
    "buildargs",
    "buildid",
    "cachefrom",
    "cgroupparent",
    "cpuperiod",
    "cpuquota",
    "cpusetcpus",
    "cpusetmems",
    "cpushares",
    "dockerfile",
    "forcerm",
    "isolation",
    "labels",
    "memory",
    "memswap",
    "networkmode",
    "nocache",
    "outputs",
    "platform",
    "pull",
    "q",
    "remote",
    "rm",
    "session",
    "shmsize",
    "squash",
    "target",
    "ulimits",
];

/// A build as a client asks for it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Its path in the context.
    pub(super) dockerfile: String,
    pub(super) names: Vec<ImageReference>,
    /// Where the context is, if it is not the request's body.
    pub(super) remote: Option<String>,
    pub(super) quiet: bool,
    pub(super) options: BuildOptions,
}

/// The query, with each of its parameters.
#[derive(Clone, Copy, Debug)]
struct Parameters<'a>(&'a [(String, String)]);

impl<'a> Parameters<'a> {
    fn all(self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn text(self, name: &'a str) -> &'a str {
        debug_assert!(SINGLE.contains(&name) || name == "version", "{name} is not listed");
        self.all(name).next().unwrap_or_default()
    }

    fn some(self, name: &'a str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn flag(self, name: &'a str) -> bool {
        Flag::parse(self.text(name)).0
    }

    /// Zero is as good as nothing.
    fn number(self, name: &'a str) -> Result<Option<i64>, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number: i64 = text.parse().map_err(|_| {
            ApiError::invalid(format!(
                "strconv.ParseInt: parsing {text:?}: invalid syntax ({name})"
            ))
        })?;
        Ok(Some(number).filter(|number| *number != 0))
    }

    fn json<T: DeserializeOwned + Default>(self, name: &'a str) -> Result<T, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(T::default());
        }
        let read: Option<T> = serde_json::from_str(text)
            .map_err(|error| ApiError::invalid(format!("error reading {name}: {error}")))?;
        Ok(read.unwrap_or_default())
    }
}

impl Asked {
    /// Reads the query; what would be dropped in silence is refused by name.
    pub(super) fn parse(query: &[(String, String)]) -> Result<Self, ApiError> {
        let parameters = Parameters(query);
        refuse(parameters)?;
        let names: Vec<ImageReference> = parameters
            .all("t")
            .filter(|name| !name.is_empty())
            .map(name)
            .collect::<Result<_, _>>()?;
        let arguments: BTreeMap<String, Option<String>> = parameters.json("buildargs")?;
        let platform = match parameters.text("platform") {
            "" => None,
            text => Some(text.parse().map_err(|error| ApiError::invalid(chain(&error)))?),
        };
        let network = match parameters.text("networkmode") {
            "" | "default" => RunNetwork::Default,
            name => RunNetwork::Named(name.to_owned()),
        };
        let options = BuildOptions {
            target: parameters.some("target"),
            platform,
            // One without a value was asked for and is not set.
            arguments: arguments
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            labels: parameters.json("labels")?,
            contexts: BTreeMap::new(),
            host_network: parameters.text("networkmode") == "host",
            network,
            hostname: None,
            extra_hosts: parameters
                .all("extrahosts")
                .filter(|host| !host.is_empty())
                .map(str::to_owned)
                .collect(),
            limits: limits(parameters)?,
            no_cache: if parameters.flag("nocache") { NoCache::All } else { NoCache::None },
            pull: parameters.flag("pull"),
            cache_from: parameters.json("cachefrom")?,
            source_date_epoch: None,
            // The classic builder, for whose clients this is, makes none.
            checks: false,
            insecure: false,
        };
        let dockerfile = parameters.some("dockerfile").unwrap_or_else(|| DOCKERFILE.to_owned());
        Ok(Self {
            dockerfile,
            names,
            remote: parameters.some("remote"),
            quiet: parameters.flag("q"),
            options,
        })
    }

    /// Whether the Dockerfile is the one that is looked for if none is named.
    pub(super) fn has_default_dockerfile(&self) -> bool {
        self.dockerfile == DOCKERFILE
    }
}

fn name(text: &str) -> Result<ImageReference, ApiError> {
    let name: ImageReference = text.parse().map_err(|error| ApiError::invalid(chain(&error)))?;
    if name.digest().is_some() {
        return Err(ApiError::invalid("build tag cannot contain a digest"));
    }
    Ok(name)
}

fn limits(parameters: Parameters<'_>) -> Result<Limits, ApiError> {
    Ok(Limits {
        shm_bytes: parameters.number("shmsize")?,
        ulimits: parameters.json::<Vec<ResourcesUlimits>>("ulimits")?,
        memory: parameters.number("memory")?,
        memory_swap: parameters.number("memswap")?,
        cpu_shares: parameters.number("cpushares")?,
        cpu_period: parameters.number("cpuperiod")?,
        cpu_quota: parameters.number("cpuquota")?,
        cpuset_cpus: parameters.some("cpusetcpus"),
        cpuset_mems: parameters.some("cpusetmems"),
        cgroup_parent: parameters.some("cgroupparent"),
    })
}

fn refuse(parameters: Parameters<'_>) -> Result<(), ApiError> {
    if !matches!(parameters.text("version"), "" | "1") {
        return Err(ApiError::unsupported(
            "not supported by this engine yet: building with BuildKit over /session (version=2)",
        ));
    }
    if parameters.flag("squash") {
        return Err(ApiError::invalid("squash is only supported with experimental mode"));
    }
    if parameters.all("securityopt").next().is_some() {
        return Err(ApiError::invalid(
            "The daemon on this platform does not support setting security options on build",
        ));
    }
    if !matches!(parameters.text("isolation"), "" | "default") {
        let isolation = parameters.text("isolation");
        return Err(ApiError::invalid(format!("Unsupported isolation: {isolation:?}")));
    }
    if !matches!(parameters.text("outputs"), "" | "null" | "[]") {
        return Err(ApiError::unsupported("outputs of a build are of BuildKit (version=2) only"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &[(&str, &str)]) -> Result<Asked, String> {
        let query: Vec<_> =
            query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Asked::parse(&query).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn what_the_command_sends_is_read() {
        let asked = asked(&[
            ("buildargs", r#"{"A":"1","B":null}"#),
            ("cachefrom", "[]"),
            ("cgroupparent", ""),
            ("cpuperiod", "0"),
            ("cpuquota", "50000"),
            ("dockerfile", "sub/Dockerfile"),
            ("extrahosts", "a:1.2.3.4"),
            ("extrahosts", "b:1.2.3.5"),
            ("labels", r#"{"x":"y"}"#),
            ("memory", "0"),
            ("networkmode", "default"),
            ("rm", "1"),
            ("t", "one"),
            ("t", "host:5000/two:3"),
            ("target", ""),
            ("ulimits", r#"[{"Name":"nofile","Hard":10,"Soft":5}]"#),
            ("version", "1"),
        ])
        .unwrap();
        assert_eq!(asked.dockerfile, "sub/Dockerfile");
        let names: Vec<String> = asked.names.iter().map(ImageReference::familiar).collect();
        assert_eq!(names, ["one:latest", "host:5000/two:3"]);
        let options = asked.options;
        assert_eq!(options.arguments, BTreeMap::from([("A".to_owned(), "1".to_owned())]));
        assert_eq!(options.extra_hosts, ["a:1.2.3.4", "b:1.2.3.5"]);
        assert_eq!((options.limits.memory, options.limits.cpu_quota), (None, Some(50_000)));
        assert_eq!(options.limits.ulimits[0].soft, Some(5));
        assert_eq!((options.network, options.target), (RunNetwork::Default, None));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (name, value, said) in [
            ("version", "2", "version=2"),
            ("squash", "1", "squash is only supported with experimental mode"),
            ("isolation", "hyperv", "Unsupported isolation: \"hyperv\""),
            ("securityopt", "x", "security options"),
            ("outputs", r#"[{"Type":"tar"}]"#, "outputs"),
            ("memory", "much", "memory"),
            ("buildargs", "A=1", "buildargs"),
            ("t", "UPPER", "must be lowercase"),
            ("platform", "a/b/c/d", "platform"),
        ] {
            let error = asked(&[(name, value)]).unwrap_err();
            assert!(error.contains(said), "{name}: {error}");
        }
    }
}
