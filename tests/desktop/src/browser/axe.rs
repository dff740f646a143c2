//! What axe-core says of a page.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::Page;

/// Injects nothing but what is asked for: the rules of WCAG 2.2, levels A and AA, and axe's own
/// of what is good practice.
const RUN: &str = r"
const done = arguments[0];
axe.run(document, { resultTypes: ['violations'] }).then(
  ({ violations }) => done(violations.map(({ id, impact, help, nodes }) => ({
    id, impact: impact ?? 'minor', help, places: nodes.map((node) => node.html.slice(0, 200)),
  }))),
  (error) => done([{ id: 'axe', impact: 'critical', help: String(error), places: [] }]),
);
";

/// A rule of axe-core that the page breaks.
#[derive(Clone, Debug, Deserialize)]
pub struct Violation {
    /// The rule.
    pub id: String,
    /// `minor`, `moderate`, `serious` or `critical`.
    pub impact: String,
    /// The rule in a sentence.
    pub help: String,
    /// Where: the beginning of each element.
    pub places: Vec<String>,
}

impl Violation {
    /// Whether it keeps somebody from using the page.
    pub fn is_serious(&self) -> bool {
        matches!(self.impact.as_str(), "serious" | "critical")
    }
}

/// Runs axe-core over the whole page.
pub(super) async fn run(page: &Page) -> anyhow::Result<Vec<Violation>> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/node_modules/axe-core/axe.min.js");
    let source =
        fs::read_to_string(&path).with_context(|| format!("npm ci brings {}", path.display()))?;
    page.settle().await?;
    let driver = page.driver();
    let is_there: bool = driver.execute("return 'axe' in window", vec![]).await?.convert()?;
    if !is_there {
        driver.execute(source.as_str(), vec![]).await?;
    }
    Ok(driver.execute_async(RUN, vec![]).await?.convert()?)
}
