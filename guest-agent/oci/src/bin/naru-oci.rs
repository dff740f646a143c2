//! The command line alone, to test it; the agent is this program under the same name.

use std::env::args_os;
use std::process::ExitCode;

fn main() -> ExitCode {
    naru_oci::run(args_os())
}
