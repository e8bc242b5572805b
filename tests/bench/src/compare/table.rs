//! What was measured, as a table for the terminal and as one of Markdown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::report::Report;

/// One measurement on every server that takes part in it.
#[derive(Serialize)]
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether less of it is better.
    pub less_is_better: bool,
    /// Hayrack's figure.
    pub own: f64,
    /// The peer's.
    pub peer: Option<f64>,
    /// That of the constant answers.
    pub ceiling: Option<f64>,
    /// The reports that the figures are from; none for memory and restarts.
    pub reports: Vec<Report>,
}

impl Row {
    /// How many times better Hayrack is than the peer.
    pub fn ratio(&self) -> Option<f64> {
        let peer = self.peer?;
        Some(if self.less_is_better {
            peer / self.own
        } else {
            self.own / peer
        })
    }

    fn errors(&self) -> u64 {
        self.reports.iter().map(|report| report.errors).sum()
    }

    fn cells(&self) -> [String; 5] {
        let figure = |figure: Option<f64>| figure.map_or(String::new(), |it| self.figure(it));
        let ratio = self.ratio().map_or(String::new(), |it| format!("{it:.2}"));
        let name = match self.errors() {
            0 => self.name.to_owned(),
            errors => format!("{} ({errors} ERRORS)", self.name),
        };
        let [own, peer, ceiling] = [Some(self.own), self.peer, self.ceiling].map(figure);
        [name, own, peer, ratio, ceiling]
    }

    fn figure(&self, figure: f64) -> String {
        let digits = usize::from(figure < 10.0);
        format!("{figure:.digits$} {}", self.unit)
    }
}

const TITLES: [&str; 5] = ["", "Hayrack", "peer", "times better", "constant answers"];

/// For the terminal.
pub fn plain(rows: &[Row]) -> String {
    let mut text = String::new();
    let titles = TITLES.map(str::to_owned);
    for cells in std::iter::once(titles).chain(rows.iter().map(Row::cells)) {
        let [name, figures @ ..] = cells;
        write!(text, "{name:<42}").expect("a String takes every write");
        for figure in figures {
            write!(text, "{figure:>18}").expect("a String takes every write");
        }
        text.push('\n');
    }
    text
}

/// For a page.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = format!("| {} |\n|---|---:|---:|---:|---:|\n", TITLES.join(" | "));
    for row in rows {
        writeln!(text, "| {} |", row.cells().join(" | ")).expect("a String takes every write");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_is_always_good() {
        let row = |less_is_better| Row {
            name: "x",
            unit: "ms",
            less_is_better,
            own: 5.0,
            peer: Some(20.0),
            ceiling: None,
            reports: Vec::new(),
        };
        assert_eq!(row(true).ratio(), Some(4.0));
        assert_eq!(row(false).ratio(), Some(0.25));
        let table = markdown(&[row(true)]);
        assert!(
            table.ends_with("| x | 5.0 ms | 20 ms | 4.00 |  |\n"),
            "{table}"
        );
    }
}
