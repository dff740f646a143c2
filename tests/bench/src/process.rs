//! What the kernel counts of a process (proc(5)).

use std::fs;

use anyhow::{Context, Result};

const KIB_PER_MIB: f64 = 1024.0;
/// `USER_HZ`, the same on every Linux that these engines run on.
const TICKS_PER_SECOND: f64 = 100.0;
/// Where the four times stand in `stat`, counted behind the name: its own in user and system,
/// and those of children that have ended.
const TIMES: std::ops::Range<usize> = 11..15;
/// Written to `clear_refs`, it makes the peak begin anew.
const RESET_PEAK: &str = "5";

/// What a process, and the children that it saw end, took of the processors.
pub(crate) fn processor_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let times = fields.get(TIMES).context("four times")?;
    let ticks = times.iter().map(|ticks| ticks.parse::<f64>()).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// Begins anew to keep the most that a process has had in memory.
pub(crate) fn reset_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), RESET_PEAK).context("reset the peak of memory")
}

/// The most that a process has had in memory.
pub(crate) fn resident_peak_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next()).context("a peak of memory")?;
    Ok(peak.parse::<f64>()? / KIB_PER_MIB)
}
