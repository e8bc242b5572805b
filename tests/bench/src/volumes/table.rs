//! What both sides reached, as a table of Markdown.

use std::fmt::Write as _;

use super::load::{Figure, Load};
use crate::plot::digits;

/// All loads on the same disk, or in memory.
pub struct Place {
    /// Where that is.
    pub name: &'static str,
    /// In the order of the loads.
    pub rows: Vec<Row>,
}

/// One load on both sides.
pub struct Row {
    /// Which load.
    pub load: &'static Load,
    /// What the volume reached.
    pub own: Figure,
    /// What the file reached.
    pub peer: Figure,
}

impl Row {
    /// How many times better the volume is.
    pub fn ratio(&self) -> f64 {
        self.own.rate / self.peer.rate
    }
}

/// For the terminal and for a page.
pub fn markdown(places: &[Place]) -> String {
    let mut text = String::new();
    for place in places {
        writeln!(
            text,
            "| {} | volumed, a second | nbdkit | times nbdkit | volumed, us of processor each | nbdkit |\n\
             |---|---:|---:|---:|---:|---:|",
            place.name
        )
        .expect("a String takes every write");
        for row in &place.rows {
            let unit = if row.load.is_large() { ", MiB" } else { "" };
            let ratio = row.ratio();
            let digits = digits(ratio);
            writeln!(
                text,
                "| {}{unit} | {:.0} | {:.0} | {ratio:.digits$} | {:.1} | {:.1} |",
                row.load.name, row.own.rate, row.peer.rate, row.own.processor, row.peer.processor,
            )
            .expect("a String takes every write");
        }
        text.push('\n');
    }
    text
}
