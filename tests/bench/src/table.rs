//! The rows as one table for people.

use crate::row::Row;

const HEADINGS: [&str; 7] = ["measure", "unit", "who", "min", "median", "max", "naru/who"];
/// The columns of words; the others are of numbers and end at the right.
const WORDS: usize = 3;
const MISSING: &str = "-";

/// Renders the table, a line per contender.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().flat_map(lines_of));
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    let mut table = String::new();
    for line in lines {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < WORDS { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn lines_of(row: &Row) -> Vec<[String; HEADINGS.len()]> {
    let mut lines = Vec::new();
    for (name, sample) in &row.contenders {
        let (measure, unit) =
            if lines.is_empty() { (row.name.as_str(), row.unit) } else { ("", "") };
        let [min, median, max] = match sample.summary() {
            Some(summary) => [summary.min, summary.median, summary.max].map(number),
            None => [(); 3].map(|()| MISSING.to_owned()),
        };
        let ratio =
            row.ratio(name).map_or_else(|| MISSING.to_owned(), |ratio| format!("{ratio:.2}"));
        lines.push([measure.to_owned(), unit.to_owned(), name.clone(), min, median, max, ratio]);
    }
    lines
}

/// Three digits say all that such measurements can.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::NARU;

    #[test]
    fn a_line_per_contender_and_a_dash_for_what_is_missing() {
        let mut row = Row::new("docker run", "ms");
        for value in [40.0, 35.25, 120.4] {
            row.push(NARU, value);
        }
        row.expect("podman");
        row.push("floor", 4.0);
        let expected = "\
measure     unit  who      min  median   max  naru/who
docker run  ms    naru    35.2    40.0   120         -
                  podman     -       -     -         -
                  floor   4.00    4.00  4.00     10.00
";
        assert_eq!(render(&[row]), expected);
    }

    #[test]
    fn without_rows_there_are_only_headings() {
        assert_eq!(render(&[]), "measure  unit  who  min  median  max  naru/who\n");
    }
}
