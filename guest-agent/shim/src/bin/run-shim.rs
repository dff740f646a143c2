//! A shim alone, to test it: `run-shim RUN_DIR`, with descriptor 0 as the agent would give it.

use std::env::args_os;
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let run_dir = args_os().nth(1).ok_or("usage: run-shim RUN_DIR")?;
    Ok(naru_shim::run(Path::new(&run_dir))?)
}
