//! One thing that is measured, of every contender.

use serde_json::{Value, json};

use crate::sample::Sample;

/// Naru itself, which the others are compared with.
pub(crate) const NARU: &str = "naru";

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) name: String,
    /// The unit of all its values.
    pub(crate) unit: &'static str,
    /// The contenders in the order of the table. An empty sample is one that is not here.
    pub(crate) contenders: Vec<(String, Sample)>,
}

impl Row {
    /// A row without contenders.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, contenders: Vec::new() }
    }

    /// Names a contender, which may turn out not to be here.
    pub(crate) fn expect(&mut self, contender: &str) {
        if !self.contenders.iter().any(|(name, _)| name == contender) {
            self.contenders.push((contender.to_owned(), Sample::default()));
        }
    }

    /// Adds a contender's value.
    pub(crate) fn push(&mut self, contender: &str, value: f64) {
        self.expect(contender);
        for (name, sample) in &mut self.contenders {
            if name == contender {
                sample.push(value);
            }
        }
    }

    /// Naru's median divided by the contender's; none for Naru, and where one is missing.
    pub(crate) fn ratio(&self, contender: &str) -> Option<f64> {
        let median = |wanted: &str| {
            let (_, sample) = self.contenders.iter().find(|(name, _)| name == wanted)?;
            Some(sample.summary()?.median)
        };
        let other = median(contender).filter(|&other| contender != NARU && other > 0.0)?;
        Some(median(NARU)? / other)
    }

    /// Everything, with every value.
    pub(crate) fn to_json(&self) -> Value {
        let contenders = self.contenders.iter().map(|(name, sample)| {
            let summary = sample.summary();
            json!({
                "name": name,
                "min": summary.map(|summary| summary.min),
                "median": summary.map(|summary| summary.median),
                "max": summary.map(|summary| summary.max),
                "ratio": self.ratio(name),
                "values": sample.values(),
            })
        });
        json!({
            "name": self.name,
            "unit": self.unit,
            "contenders": contenders.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_compares_medians_and_needs_both() {
        let mut row = Row::new("run", "ms");
        row.push(NARU, 10.0);
        row.push("floor", 4.0);
        row.expect("dockerd");
        assert_eq!(row.ratio("floor"), Some(2.5));
        assert_eq!(row.ratio("dockerd"), None);
        assert_eq!(row.ratio(NARU), None);
    }

    #[test]
    fn a_missing_contender_is_null_in_json() {
        let mut row = Row::new("run", "ms");
        row.expect("dockerd");
        let json = row.to_json();
        assert_eq!(json["contenders"][0]["median"], Value::Null);
        assert_eq!(json["contenders"][0]["values"], json!([]));
    }
}
