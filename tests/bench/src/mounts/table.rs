//! What the mounts reached, as a table of Markdown.

use std::fmt::Write as _;

use super::measures::{Figure, MEASURES};
use super::peer::Peer;
use crate::plot::digits;

/// What marks a figure of a change that was not durable yet.
pub const NOT_YET: &str = "†";

/// What one mount reached.
pub struct Column {
    /// Which one.
    pub peer: Peer,
    /// The program's version.
    pub version: String,
    /// One for each measure, and the peak memory.
    pub figures: Vec<Option<Figure>>,
}

/// One measure on every mount.
struct Row<'a> {
    name: &'static str,
    unit: &'static str,
    less_is_better: bool,
    /// The mount and its figure.
    figures: Vec<(&'a Column, Option<Figure>)>,
}

impl Row<'_> {
    fn own(&self) -> Option<f64> {
        let own = self.figures.iter().find(|it| it.0.peer == Peer::Fused)?;
        Some(own.1?.value)
    }

    /// The best peer and its figure; a change counts only if it was durable.
    fn best(&self) -> Option<(&'static str, f64)> {
        let peers = self.figures.iter().filter(|it| it.0.peer != Peer::Fused);
        let figures = peers.filter_map(|(column, figure)| Some((column.peer.name(), (*figure)?)));
        let figures = figures.filter(|(_, figure)| figure.durable != Some(false));
        figures
            .map(|(name, figure)| (name, figure.value))
            .max_by(|(_, one), (_, other)| {
                let order = one.total_cmp(other);
                if self.less_is_better {
                    order.reverse()
                } else {
                    order
                }
            })
    }

    /// How many times better Hayrack is than the best peer.
    fn ratio(&self) -> Option<f64> {
        let (own, (_, best)) = (self.own()?, self.best()?);
        Some(if self.less_is_better {
            best / own
        } else {
            own / best
        })
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![format!("{}, {}", self.name, self.unit)];
        cells.extend(self.figures.iter().map(|it| cell(it.1)));
        cells.push(self.best().map_or("-", |it| it.0).to_owned());
        let ratio = self.ratio().map(|it| format!("{it:.0$}", digits(it)));
        cells.push(ratio.unwrap_or("-".to_owned()));
        cells
    }
}

fn cell(figure: Option<Figure>) -> String {
    let Some(Figure { value, durable }) = figure else {
        return "-".to_owned();
    };
    let digits = usize::from(value < 10.0);
    let mark = if durable == Some(false) { NOT_YET } else { "" };
    format!("{value:.digits$}{mark}")
}

fn rows(columns: &[Column]) -> Vec<Row<'_>> {
    let names = MEASURES.iter().map(|it| (it.name, it.unit, false));
    let names = names.chain([("peak memory", "MiB", true)]);
    names
        .enumerate()
        .map(|(number, (name, unit, less_is_better))| Row {
            name,
            unit,
            less_is_better,
            figures: columns.iter().map(|it| (it, it.figures[number])).collect(),
        })
        .collect()
}

/// The name of each measure and how many times better Hayrack is than the best peer.
pub fn ratios(columns: &[Column]) -> Vec<(&'static str, f64)> {
    let rows = rows(columns);
    let ratios = rows.iter().filter_map(|row| Some((row.name, row.ratio()?)));
    ratios.collect()
}

/// For the terminal and for a page.
pub fn markdown(columns: &[Column]) -> String {
    let mut titles = vec![String::new()];
    titles.extend(columns.iter().map(|it| it.peer.name().to_owned()));
    titles.extend(["best peer".to_owned(), "times best".to_owned()]);
    let mut text = format!(
        "| {} |\n|---|{}\n",
        titles.join(" | "),
        "---:|".repeat(columns.len() + 2)
    );
    let mut all: Vec<_> = rows(columns).iter().map(Row::cells).collect();
    all.push(answers(
        "every change durable when its call returns",
        columns,
        durable,
    ));
    all.push(answers(
        "files are objects for S3 clients",
        columns,
        |column| Some(column.peer.has_plain_keys()),
    ));
    for cells in all {
        writeln!(text, "| {} |", cells.join(" | ")).expect("a String takes every write");
    }
    text
}

fn answers(name: &str, columns: &[Column], ask: fn(&Column) -> Option<bool>) -> Vec<String> {
    let answers = columns.iter().map(|column| match ask(column) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    });
    let cells = std::iter::once(name).chain(answers).chain(["", ""]);
    cells.map(str::to_owned).collect()
}

/// Whether all changes that succeeded were durable.
fn durable(column: &Column) -> Option<bool> {
    let changes = column.figures.iter().flatten().filter_map(|it| it.durable);
    changes.reduce(|one, other| one && other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(peer: Peer, value: f64, durable: bool) -> Column {
        let durable = Some(durable);
        Column {
            peer,
            version: String::new(),
            figures: vec![Some(Figure { value, durable }); MEASURES.len() + 1],
        }
    }

    #[test]
    fn the_best_peer_is_a_durable_one_and_little_memory_is_good() {
        let columns = [
            column(Peer::Fused, 20.0, true),
            column(Peer::S3fs, 10.0, true),
            column(Peer::Rclone, 900.0, false),
        ];
        let ratios = ratios(&columns);
        assert!((ratios[0].1 - 2.0).abs() < 1e-9);
        assert!((ratios[MEASURES.len()].1 - 0.5).abs() < 1e-9);
        let table = markdown(&columns);
        assert!(
            table.contains("| 20 | 10 | 900† | s3fs | 2.00 |"),
            "{table}"
        );
        assert!(table.contains("returns | yes | yes | no |"), "{table}");
    }
}
