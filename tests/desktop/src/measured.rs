//! How smoothly a page goes, and what a window takes of the computer's memory.

use std::collections::HashMap;
use std::fs;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Page;
use crate::page::target;

/// Counts frames for so many milliseconds, and scrolls on with each where there is something to.
const RECORD: &str = r"
const [span, scrolled, done] = arguments;
const pane = scrolled && document.querySelector(scrolled);
const took = [];
let [first, last] = [null, null];
const frame = (now) => {
  first ??= now;
  if (last !== null) took.push(now - last);
  last = now;
  if (pane) {
    const end = pane.scrollHeight - pane.clientHeight;
    pane.scrollTop = pane.scrollTop + 1 >= end ? 0 : pane.scrollTop + 220;
  }
  if (now - first < span) return requestAnimationFrame(frame);
  took.sort((a, b) => a - b);
  const at = (share) => took[Math.min(took.length - 1, Math.floor(took.length * share))];
  done({
    count: took.length, median_ms: at(0.5), p99_ms: at(0.99), longest_ms: took.at(-1),
    over_50_ms: took.filter((ms) => ms > 50).length,
  });
};
requestAnimationFrame(frame);
";

/// How long frames took, from one to the next.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Frames {
    /// How many there were.
    pub count: u32,
    /// Half of them took longer.
    pub median_ms: f64,
    /// One in a hundred took longer.
    pub p99_ms: f64,
    /// The longest.
    pub longest_ms: f64,
    /// Those that took longer than 50 ms, which one sees.
    pub over_50_ms: u32,
}

impl Page {
    /// Looks at the frames of the next `span_ms` milliseconds.
    pub async fn frames(&self, span_ms: u32) -> anyhow::Result<Frames> {
        self.record(span_ms, None).await
    }

    /// The same while what this selector finds is scrolled from its top to its end and again.
    pub async fn frames_scrolling(&self, selector: &str, span_ms: u32) -> anyhow::Result<Frames> {
        self.record(span_ms, Some(selector)).await
    }

    async fn record(&self, span_ms: u32, selector: Option<&str>) -> anyhow::Result<Frames> {
        let arguments = vec![json!(span_ms), json!(selector)];
        Ok(self.driver().execute_async(RECORD, arguments).await?.convert()?)
    }
}

/// Keeps what was measured as `target/measured/<name>.json`.
pub fn keep(name: &str, measured: &impl Serialize) -> anyhow::Result<()> {
    let folder = target().join("measured");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{name}.json")), serde_json::to_vec_pretty(measured)?)?;
    Ok(())
}

/// What all processes below this one take of the computer's memory, in bytes: what they share
/// counts in parts.
pub(crate) fn memory_below(ancestor: u32) -> anyhow::Result<u64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut bytes = 0;
    let mut todo = children.get(&ancestor).cloned().unwrap_or_default();
    while let Some(pid) = todo.pop() {
        todo.extend(children.get(&pid).into_iter().flatten());
        bytes += share_of(pid)?;
    }
    Ok(bytes)
}

/// None of a process that has ended meanwhile.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in brackets, may have anything in it.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn share_of(pid: u32) -> anyhow::Result<u64> {
    // It may have ended meanwhile.
    let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { return Ok(0) };
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let words = line.context("the kernel tells no proportional share")?.split_whitespace().next();
    Ok(words.context("a share has a number")?.parse::<u64>()? * 1024)
}
