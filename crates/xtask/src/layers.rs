//! The layers of `ARCHITECTURE.md`, held against what cargo says.

use std::process::Command;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::{process, workspace};

/// Which of Naru's crates a crate may use in what it ships. `naru-error` is everybody's.
/// Tests may use anything: `dev-dependencies` are not looked at.
const ALLOWED: [(&str, &[&str]); 21] = [
    ("naru-error", &[]),
    ("naru-protocol", &[]),
    ("naru-ipc", &[]),
    ("naru-machine", &[]),
    ("naru-transport", &["naru-protocol"]),
    (
        "naru-app",
        &["naru-dockerfile", "naru-ipc", "naru-machine", "naru-protocol", "naru-transport"],
    ),
    ("naru-cli", &["naru-app", "naru-ipc"]),
    ("naru-desktop", &["naru-app", "naru-ipc"]),
    ("naru-buildkit", &[]),
    ("naru-image-store", &[]),
    ("naru-dns", &[]),
    ("naru-dockerfile", &[]),
    ("naru-git", &[]),
    ("naru-network", &[]),
    ("naru-runtime", &[]),
    ("naru-oci", &["naru-runtime"]),
    ("naru-shim", &["naru-runtime"]),
    ("naru-init", &[]),
    (
        "naru-engine",
        &[
            "naru-buildkit",
            "naru-dns",
            "naru-dockerfile",
            "naru-git",
            "naru-image-store",
            "naru-network",
            "naru-protocol",
            "naru-shim",
            "naru-transport",
        ],
    ),
    ("naru-agent", &["naru-engine", "naru-init", "naru-oci", "naru-shim"]),
    ("xtask", &[]),
];

/// What the tests are made of may use every layer.
const TESTS: [&str; 5] =
    ["naru-bench", "naru-conformance", "naru-desktop-tests", "naru-e2e", "naru-test-framework"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    /// Only dependencies inside of the workspace have one.
    path: Option<String>,
}

/// Fails if a crate uses one that its layer does not allow.
pub(crate) fn check() -> Result<()> {
    let text = process::output(
        Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(workspace::root()),
    )?;
    let metadata: Metadata = serde_json::from_slice(&text)?;
    let violations = violations(&metadata.packages);
    if violations.is_empty() { Ok(()) } else { bail!("{}", violations.join("; ")) }
}

fn violations(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages.iter().filter(|package| !TESTS.contains(&package.name.as_str())) {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            violations.push(format!("{} has no layer in xtask's layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_shipped = dependency.path.is_some() && dependency.kind.as_deref() != Some("dev");
            let name = dependency.name.as_str();
            if is_shipped && name != "naru-error" && !allowed.contains(&name) {
                violations.push(format!("{} may not use {name}", package.name));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[(&str, Option<&str>)]) -> Package {
        let dependencies = uses.iter().map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            path: Some(format!("/{name}")),
        });
        Package { name: name.to_owned(), dependencies: dependencies.collect() }
    }

    #[test]
    fn a_step_sideways_or_upwards_is_named() {
        let packages = [package("naru-network", &[("naru-image-store", None)])];
        assert_eq!(violations(&packages), ["naru-network may not use naru-image-store"]);
    }

    #[test]
    fn lower_layers_tests_and_errors_are_free() {
        let packages = [
            package("naru-shim", &[("naru-runtime", None), ("naru-error", None)]),
            package("naru-runtime", &[("naru-test-framework", Some("dev"))]),
            package("naru-e2e", &[("naru-app", None)]),
        ];
        assert!(violations(&packages).is_empty());
    }

    #[test]
    fn a_crate_without_a_layer_is_named() {
        assert_eq!(violations(&[package("naru-new", &[])]).len(), 1);
    }
}
