//! What was measured of a rack, and the table of it.

use std::fmt::Write as _;

/// One line of the table.
pub struct Figure {
    name: String,
    measured: f64,
    unit: &'static str,
    asked: Option<Asked>,
}

/// What is asked of a figure.
#[derive(Clone, Copy)]
enum Asked {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    /// One of which nothing is asked.
    pub fn new(name: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            measured,
            unit,
            asked: None,
        }
    }

    /// It should not be less.
    pub fn at_least(self, bound: f64) -> Self {
        let asked = Some(Asked::AtLeast(bound));
        Self { asked, ..self }
    }

    /// It should not be more.
    pub fn at_most(self, bound: f64) -> Self {
        let asked = Some(Asked::AtMost(bound));
        Self { asked, ..self }
    }

    /// As one line for a person who waits.
    pub fn line(&self) -> String {
        format!("{}: {} {}", self.name, shown(self.measured), self.unit)
    }

    fn asked(&self) -> String {
        match self.asked {
            None => String::new(),
            Some(Asked::AtLeast(bound)) => format!("at least {}", shown(bound)),
            Some(Asked::AtMost(bound)) => format!("at most {}", shown(bound)),
        }
    }

    fn verdict(&self) -> &'static str {
        let reached = self.asked.map(|asked| match asked {
            Asked::AtLeast(bound) => self.measured >= bound,
            Asked::AtMost(bound) => self.measured <= bound,
        });
        match reached {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        }
    }
}

/// The middle of some measurements; `per_mille` of 1,000 are not above it.
pub fn percentile(mut values: Vec<f64>, per_mille: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * per_mille).div_ceil(1000);
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

/// All of them in Markdown.
pub fn markdown(figures: &[Figure]) -> String {
    let mut table = "|  | measured | asked | reached |\n|---|---:|---:|---|\n".to_owned();
    for figure in figures {
        let (name, measured, unit) = (&figure.name, shown(figure.measured), figure.unit);
        let (asked, reached) = (figure.asked(), figure.verdict());
        let written = writeln!(
            table,
            "| {name} | {measured} {unit} | {asked} | {reached} |"
        );
        written.expect("a string takes all that is written to it");
    }
    table
}

/// Three digits that count.
fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whether_it_reaches_what_is_asked() {
        let figures = [
            Figure::new("slow", 12.0, "s").at_most(10.0),
            Figure::new("fast", 0.5, "times").at_least(0.4),
            Figure::new("plain", 1234.0, "/s"),
        ];
        let table = markdown(&figures);
        assert!(
            table.contains("| slow | 12.0 s | at most 10.0 | no |"),
            "{table}"
        );
        assert!(
            table.contains("| fast | 0.50 times | at least 0.40 | yes |"),
            "{table}"
        );
        assert!(table.contains("| plain | 1234 /s |  |  |"), "{table}");
    }

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let values = || vec![3.0, 1.0, 2.0, 4.0];
        assert!((percentile(values(), 500) - 2.0).abs() < f64::EPSILON);
        assert!((percentile(values(), 1000) - 4.0).abs() < f64::EPSILON);
        assert!(percentile(Vec::new(), 500).is_nan());
    }
}
