//! The stock `docker` command against a native engine, or any other. Needs root.
//!
//! Cases get an `Engine`: a native one of their own, or with `NARU_TEST_HOST=unix:///…` the one
//! that is there. Only cases that kill the engine or look into its directory hold a `NativeEngine`.
//!
//! What Docker prints exactly is compared exactly: errors of the daemon, templates, exit
//! codes. What the client alone words, and changes from version to version, is not.

#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

mod attach;
mod attach_raw;
mod build;
mod build_bases;
mod build_cache;
mod build_git;
mod build_hostile;
mod build_kills;
mod build_layers;
mod build_limits;
mod build_mount_places;
mod build_projects;
mod build_web;
mod buildx;
mod changes;
mod commands;
mod commit;
mod compare;
mod compose;
mod compose_soak;
mod containers;
mod copy;
mod copy_hostile;
mod devcontainers;
mod devices;
mod disk_usage;
mod dockerfiles;
mod escape_files;
mod escape_program;
mod escapes;
mod event_filters;
mod events;
mod exec;
mod faults;
mod flags;
mod full_disk;
mod health;
mod image_commands;
mod image_files;
mod image_parents;
mod image_prune;
mod image_tools;
mod images;
mod import;
mod import_url;
mod in_docker;
mod in_the_machine;
mod init;
mod isolation;
mod kills;
mod live_restore;
mod load;
mod load_hostile;
mod log_drivers;
mod log_following;
mod logs;
mod mounts;
mod moving;
mod names;
mod networks;
mod networks_beside;
mod networks_connect;
mod networks_ipv6;
mod networks_macvlan;
mod networks_names;
mod networks_restart;
mod pause;
mod ports;
mod ports_udp;
mod profiles;
mod prune;
mod pull;
mod pull_all;
mod pull_cancel;
mod pull_memory;
mod push_kills;
mod python;
mod raw;
mod raw_api;
mod refusals;
mod registries;
mod registries_auth;
mod registry_commands;
mod rename;
mod restart_policy;
mod run;
mod rust_clients;
mod save_load;
mod search_marks;
mod sharing;
mod shop;
mod soak;
mod stats;
mod stopping;
mod system;
mod terminal;
mod top;
mod update;
mod volumes;
mod volumes_backup;
mod volumes_content;
mod volumes_mounts;
mod volumes_options;
mod volumes_restart;
mod volumes_restore;

use anyhow::ensure;
use naru_test_framework::{DockerHost, Output};

/// Holds if the command ended with `code` and shows the daemon's `message`, whole.
fn expect_error(output: &Output, code: i32, message: &str) -> anyhow::Result<()> {
    let stderr = output.failure(code)?;
    let expected = format!("Error response from daemon: {message}");
    // Older clients put a full stop behind it.
    ensure!(
        stderr.lines().any(|line| line.trim_end_matches('.').ends_with(&expected)),
        "{stderr:?} does not say {expected:?}"
    );
    Ok(())
}

/// Whether the engine's host has this controller of cgroup v2: at the root of the tree, because a
/// group is only given those that its limits need.
fn has_controller(engine: &DockerHost, name: &str) -> anyhow::Result<bool> {
    let file = "/sys/fs/cgroup/cgroup.controllers";
    let run = ["run", "--rm", "--cgroupns=host", "busybox", "cat", file];
    let read = engine.docker(&run)?;
    Ok(read.success()?.split_whitespace().any(|controller| controller == name))
}
