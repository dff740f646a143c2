//! Measured values, and what is told of them.

/// What was measured of one contender, in the row's unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    values: Vec<f64>,
}

impl Sample {
    /// Adds a value.
    pub(crate) fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// All values, in the order in which they were measured.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The least, the middle and the greatest; none when nothing was measured.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Summary { min, median: f64::midpoint(below, above), max })
    }
}

/// What is told of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(values: &[f64]) -> Option<Summary> {
        Sample { values: values.to_vec() }.summary()
    }

    #[test]
    fn the_median_of_an_odd_number_of_values_is_the_middle_one() {
        let expected = Summary { min: 1.0, median: 3.0, max: 50.0 };
        assert_eq!(summary(&[50.0, 1.0, 3.0]), Some(expected));
    }

    #[test]
    fn the_median_of_an_even_number_of_values_is_between_the_middle_two() {
        let expected = Summary { min: 1.0, median: 2.5, max: 4.0 };
        assert_eq!(summary(&[4.0, 3.0, 1.0, 2.0]), Some(expected));
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        assert_eq!(summary(&[]), None);
    }
}
