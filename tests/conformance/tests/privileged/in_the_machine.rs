//! A third of the cases once more, against the engine in a machine.
//!
//! Chosen is what the machine could change: whatever touches its kernel, its control groups, which
//! have every controller there, its disk, its network, or a stream that crosses its boundary.
//! This test runs its own program again, with the chosen cases and the machine's address.

use std::env::current_exe;
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;
use naru_test_framework::{TEST_HOST, Vm};

/// By the beginning of their names.
const CHOSEN: [&str; 52] = [
    "attach::",
    "build_limits::",
    "buildx::platforms::",
    "commands::",
    "compose::addresses::addresses",
    "compose::changes::only",
    "compose::commands::run",
    "compose::logs::",
    "compose::names::",
    "compose::networks::an_internal",
    "compose::networks::names",
    "compose::order::each",
    "compose::ports::",
    "compose::services::a_service_grows",
    "compose::volumes::a_volume",
    "containers::a_",
    "devices::",
    "disk_usage::",
    "events::",
    "exec::",
    "flags::limits::",
    "flags::network::",
    "flags::rights::",
    "health::a_container_is_starting_healthy_and_unhealthy",
    "init::",
    "log_following::following_goes_on",
    "log_following::following_ends",
    "logs::",
    "names::a_container",
    "names::names_are_found_over_tcp",
    "networks_connect::a_network",
    "pause::what_is_paused",
    "pause::a_paused_container_stands_still",
    "ports::a_published_port_answers_on_the_host",
    "ports_udp::",
    "prune::what_does_not_run",
    "python::testcontainers_starts",
    "python::the_library_connects",
    "python::the_library_keeps",
    "raw_api::who_attaches_before_the_start_misses_nothing",
    "restart_policy::failures_are_retried_so_many_times",
    "run::exit_codes",
    "run::standard_streams",
    "rust_clients::bollard",
    "rust_clients::testcontainers",
    "shop::the_shop_is",
    "stats::one_sample",
    "stopping::",
    "terminal::",
    "top::",
    "volumes_content::an_empty_volume",
    "volumes_mounts::the_engines_socket",
];

/// The line of a test's end in what its harness says.
fn verdict(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("test ")?.split_once(" ... ")
}

#[test]
#[expect(clippy::print_stdout, reason = "how long it took is worth knowing")]
fn a_third_of_the_cases_holds_in_the_machine() -> anyhow::Result<()> {
    let program = current_exe()?;
    let listed = Command::new(&program).args(["--list", "--format", "terse"]).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let all: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let is_chosen = |name: &&str| CHOSEN.iter().any(|chosen| name.starts_with(chosen));
    let chosen: Vec<&str> = all.iter().copied().filter(is_chosen).collect();
    for beginning in CHOSEN {
        let is_there = chosen.iter().any(|name| name.starts_with(beginning));
        ensure!(is_there, "no case begins with {beginning}");
    }

    let vm = Vm::start()?;
    let begun = Instant::now();
    let ran = Command::new(&program)
        .args(["--exact", "--test-threads=1"])
        .args(&chosen)
        .env(TEST_HOST, format!("unix://{}", vm.home().join("run/docker.sock").display()))
        .output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let passed = said.lines().filter_map(verdict).filter(|(_, end)| *end == "ok").count();
    let took = begun.elapsed().as_secs();
    let summary = format!("{passed} of {} cases passed in {took} s", chosen.len());
    println!("{summary}");
    ensure!(
        ran.status.success() && passed == chosen.len(),
        "{summary}\n{said}\n{}\n{}",
        String::from_utf8_lossy(&ran.stderr),
        vm.console()
    );
    Ok(())
}
