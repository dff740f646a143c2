//! Which variables an instruction sees.
//!
//! `ARG`s before the first `FROM` are seen by `FROM`s, and by an `ARG` of the same name in a
//! stage. In a stage `ARG` and `ENV` set variables, and whichever came last is seen. A stage made
//! on another one goes on with its variables.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::DockerfileError;
use crate::expand::Expander;
use crate::instruction::{Argument, Command, Instruction};
use crate::keyword::Keyword;

/// Given by whoever builds, without an `ARG`: they are for what runs, not for the result.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
/// These are for the builder; no process is told of them.
const SILENT: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// A platform in its parts; one that is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformNames {
    /// `linux`
    pub os: String,
    /// The version of that, which Windows has.
    pub os_version: String,
    /// `arm64`
    pub architecture: String,
    /// `v8`
    pub variant: String,
}

impl PlatformNames {
    fn joined(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join("/")
    }
}

/// What whoever builds says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// `--build-arg`
    pub arguments: BTreeMap<String, String>,
    /// The platform that builds.
    pub build_platform: PlatformNames,
    /// The platform that is built for.
    pub target_platform: PlatformNames,
    /// `--target`
    pub target: Option<String>,
    /// The names of `--build-context`, as clients send them: without a registry, a `library/` or a
    /// tag where those are the usual ones. They are taken in the places of images and stages.
    pub contexts: BTreeSet<String>,
}

impl Inputs {
    /// The context that is taken for an image or a stage of this name.
    pub(crate) fn context(&self, name: &str) -> Option<&str> {
        let short = name.strip_prefix("docker.io/").unwrap_or(name);
        let short = short.strip_prefix("library/").unwrap_or(short);
        let short = short.strip_suffix(":latest").unwrap_or(short);
        let is_reserved = matches!(short.to_ascii_lowercase().as_str(), "scratch" | "context");
        self.contexts.get(short).filter(|_| !is_reserved).map(String::as_str)
    }

    /// The proxies that are given, as programs look for them: in large letters and in small.
    pub fn proxies(&self) -> Vec<(String, String)> {
        let mut proxies = Vec::new();
        for proxy in PROXIES {
            let given = self.arguments.iter().rev();
            let mut given =
                given.filter(|(name, value)| name.eq_ignore_ascii_case(proxy) && !value.is_empty());
            if let Some((_, value)) = given.next() {
                proxies.push((proxy.to_owned(), value.clone()));
                proxies.push((proxy.to_lowercase(), value.clone()));
            }
        }
        proxies
    }

    /// What is there without being declared, in `FROM`s and for an `ARG` without a value.
    fn predefined(&self, last_stage: Option<&str>) -> BTreeMap<String, String> {
        let (build, target) = (&self.build_platform, &self.target_platform);
        let stage = self.target.as_deref().or(last_stage).unwrap_or("default");
        let variables = [
            ("BUILDPLATFORM", build.joined()),
            ("BUILDOS", build.os.clone()),
            ("BUILDOSVERSION", build.os_version.clone()),
            ("BUILDARCH", build.architecture.clone()),
            ("BUILDVARIANT", build.variant.clone()),
            ("TARGETPLATFORM", target.joined()),
            ("TARGETOS", target.os.clone()),
            ("TARGETOSVERSION", target.os_version.clone()),
            ("TARGETARCH", target.architecture.clone()),
            ("TARGETVARIANT", target.variant.clone()),
            ("TARGETSTAGE", stage.to_owned()),
        ];
        let given = |name: &str, value| self.arguments.get(name).cloned().unwrap_or(value);
        variables.into_iter().map(|(name, value)| (name.to_owned(), given(name, value))).collect()
    }
}

/// Whether an argument means something without an `ARG`.
pub(crate) fn is_predefined(name: &str) -> bool {
    PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
        || name.starts_with("BUILDKIT_")
        || name == "SOURCE_DATE_EPOCH"
        || Inputs::default().predefined(None).contains_key(name)
}

/// What `FROM`s see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globals {
    variables: BTreeMap<String, String>,
    escape: char,
}

impl Globals {
    pub(crate) fn new(
        instructions: &[Instruction],
        escape: char,
        inputs: &Inputs,
        last_stage: Option<&str>,
    ) -> Result<Self, DockerfileError> {
        let mut globals = Self { variables: inputs.predefined(last_stage), escape };
        for instruction in instructions {
            let Command::Arg(arguments) = &instruction.command else { continue };
            for Argument { name, default } in arguments {
                let name = &name.text;
                let value = match (inputs.arguments.get(name), default) {
                    (Some(given), _) => given.clone(),
                    (None, Some(default)) => {
                        let value = |name: &str| globals.value(name);
                        let word = Expander::new(escape, &value).word(default);
                        word.map_err(|error| error.in_instruction(Keyword::Arg))?.text
                    }
                    (None, None) => continue,
                };
                globals.variables.insert(name.clone(), value);
            }
        }
        Ok(globals)
    }

    /// What a variable says.
    pub fn value(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    pub(crate) fn escape(&self) -> char {
        self.escape
    }
}

/// What the instructions of a stage see, and what its `RUN`s find in their environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// In the order in which they were set first.
    environment: Vec<(String, String)>,
    /// The `ARG`s so far.
    arguments: Vec<(String, Option<String>)>,
}

impl Scope {
    /// The scope of a stage that is made on an image with this environment. A stage that is made
    /// on another stage begins with a clone of that one's.
    pub fn of_image(environment: &[String]) -> Self {
        let mut scope = Self::default();
        for variable in environment {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            scope.set(name, value);
        }
        scope
    }

    /// What a variable says.
    pub fn value(&self, name: &str) -> Option<String> {
        let mut found = self.environment.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.clone())
    }

    /// Sets a variable, as `ENV` does.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.environment.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.environment.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Declares what an `ARG` names, and says what it is worth.
    pub fn declare(
        &mut self,
        arguments: &[Argument],
        globals: &Globals,
        inputs: &Inputs,
    ) -> Result<Vec<(String, Option<String>)>, DockerfileError> {
        let mut declared = Vec::new();
        for Argument { name, default } in arguments {
            let name = &name.text;
            let value = match (inputs.arguments.get(name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    let value = |name: &str| self.value(name);
                    let word = Expander::new(globals.escape, &value).word(default);
                    Some(word.map_err(|error| error.in_instruction(Keyword::Arg))?.text)
                }
                (None, None) => globals.value(name),
            };
            if let Some(value) = &value
                && !SILENT.contains(&name.as_str())
            {
                self.set(name, value);
            }
            declared.push((name.clone(), value));
        }
        self.arguments.extend(declared.iter().cloned());
        Ok(declared)
    }

    /// Whether an `ARG` has named this, whatever it is worth.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.arguments.iter().any(|(known, _)| known == name)
    }

    /// The environment of a `RUN`, without the proxies.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// What the history says before the words of a `RUN`: how many arguments there were, and
    /// which.
    pub fn history(&self) -> Vec<String> {
        let mut said: Vec<(&str, String)> = Vec::new();
        for (name, value) in &self.arguments {
            let value = self.value(name).or_else(|| value.clone()).unwrap_or_default();
            match said.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = value,
                None => said.push((name, value)),
            }
        }
        if said.is_empty() {
            return Vec::new();
        }
        let count = format!("|{}", said.len());
        let said = said.into_iter().map(|(name, value)| format!("{name}={value}"));
        [count].into_iter().chain(said).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Dockerfile;

    fn inputs(arguments: &[(&str, &str)]) -> Inputs {
        let arguments =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let platform = |architecture: &str, variant: &str| PlatformNames {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            ..PlatformNames::default()
        };
        Inputs {
            arguments: arguments.collect(),
            build_platform: platform("amd64", ""),
            target_platform: platform("arm", "v7"),
            ..Inputs::default()
        }
    }

    /// The variables at the end of a file's only stage.
    fn seen(text: &str, inputs: &Inputs) -> (Scope, Vec<String>) {
        let file = Dockerfile::parse(text).unwrap();
        let globals = file.globals(inputs).unwrap();
        let mut scope = Scope::of_image(&["PATH=/bin".to_owned()]);
        for instruction in &file.stages[0].instructions {
            if let Command::Arg(arguments) = &instruction.command {
                scope.declare(arguments, &globals, inputs).unwrap();
            }
            let before = scope.clone();
            let value = |name: &str| before.value(name);
            let expander = Expander::new(globals.escape, &value);
            if let Command::Env(pairs) = instruction.expanded(expander).unwrap().command {
                for pair in &pairs {
                    scope.set(&pair.name.text, &pair.value.text);
                }
            }
        }
        let environment = scope.environment().iter();
        let environment = environment.map(|(name, value)| format!("{name}={value}")).collect();
        (scope, environment)
    }

    #[test]
    fn froms_see_global_arguments_and_platforms() {
        let file = Dockerfile::parse(
            "ARG A=1 B=$A-$TARGETARCH\nARG C\nARG BUILDARCH\nARG D=${C:-none}\nFROM x AS last",
        )
        .unwrap();
        let globals = file.globals(&inputs(&[("A", "2"), ("TARGETOS", "own")])).unwrap();
        for (name, value) in [
            ("A", Some("2")),
            ("B", Some("2-arm")),
            ("C", None),
            ("D", Some("none")),
            ("BUILDPLATFORM", Some("linux/amd64")),
            ("TARGETPLATFORM", Some("linux/arm/v7")),
            ("TARGETVARIANT", Some("v7")),
            ("TARGETSTAGE", Some("last")),
            ("TARGETOS", Some("own")),
        ] {
            assert_eq!(globals.value(name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn a_stage_sees_what_it_declares() {
        let text = "ARG A=1\nARG G=global\nFROM x\nENV BEFORE=.$A.$G.\nARG A G=own\nARG T N\n\
                    ENV AFTER=$A$G PATH=$PATH:/opt A2=$AFTER\nARG AFTER=arg\nENV G=env";
        let (scope, environment) = seen(text, &inputs(&[("T", "given")]));
        let expected = [
            "PATH=/bin:/opt",
            "BEFORE=...",
            "A=1",
            "G=env",
            "T=given",
            // As in BuildKit, what is declared later is seen, whatever it is.
            "AFTER=arg",
            "A2=",
        ];
        assert_eq!(environment, expected);
        assert_eq!(scope.history(), ["|5", "A=1", "G=env", "T=given", "N=", "AFTER=arg"]);
        assert_eq!(Scope::default().history(), [""; 0]);
    }

    #[test]
    fn what_is_for_the_builder_stays_with_it() {
        let (scope, environment) =
            seen("FROM x\nARG BUILDKIT_SBOM_SCAN_STAGE=true", &Inputs::default());
        assert_eq!(environment, ["PATH=/bin"]);
        assert_eq!(scope.history(), ["|1", "BUILDKIT_SBOM_SCAN_STAGE=true"]);
        let inputs = inputs(&[("http_proxy", "http://p"), ("NO_PROXY", "")]);
        let pair = |name: &str| (name.to_owned(), "http://p".to_owned());
        assert_eq!(inputs.proxies(), [pair("HTTP_PROXY"), pair("http_proxy")]);
    }

    #[test]
    fn arguments_that_nothing_asks_for_are_told() {
        let file = Dockerfile::parse("ARG A\nFROM x\nARG B=1\nFROM y\nARG C").unwrap();
        let given = ["A", "B", "C", "D", "https_proxy", "TARGETARCH", "BUILDKIT_INLINE_CACHE"];
        let inputs = inputs(&given.map(|name| (name, "")));
        assert_eq!(file.unused_arguments(&inputs), ["D"]);
    }

    #[test]
    fn an_argument_that_is_given_needs_no_sensible_default() {
        let file = Dockerfile::parse("ARG A=${B\nFROM x\nARG C=${D").unwrap();
        let wrong = inputs(&[]);
        let error = file.globals(&wrong).unwrap_err();
        assert_eq!(error.to_string(), "failed to process \"${B\": syntax error: missing '}'");
        let given = inputs(&[("A", "1"), ("C", "2")]);
        let globals = file.globals(&given).unwrap();
        let Command::Arg(arguments) = &file.stages[0].instructions[0].command else {
            panic!("it is one")
        };
        let declared = Scope::default().declare(arguments, &globals, &given).unwrap();
        assert_eq!(declared, [("C".to_owned(), Some("2".to_owned()))]);
        Scope::default().declare(arguments, &globals, &wrong).unwrap_err();
    }
}
