//! The table of ratios.

use std::fmt::Write as _;

use super::Row;
use super::server::Server;

/// Lays the rows out for people.
pub fn render(servers: &[Server], rows: &[Row]) -> String {
    let mut text = String::new();
    let mut line = |name: &str, cells: &[String]| {
        write!(text, "{name:<30}").expect("a String takes every write");
        for cell in cells {
            write!(text, "{cell:>18}").expect("a String takes every write");
        }
        text.push('\n');
    };
    let mut titles: Vec<String> = servers
        .iter()
        .map(|server| server.name.to_owned())
        .collect();
    if servers.len() > 1 {
        titles.push("ratio".to_owned());
    }
    line("", &titles);
    for row in rows {
        let mut cells: Vec<String> = row
            .figures
            .iter()
            .map(|figure| format!("{figure:.0} {}", row.unit))
            .collect();
        if let [own, peer] = row.figures[..] {
            cells.push(format!("{:.2}", own / peer));
        }
        let errors: u64 = row.reports.iter().map(|report| report.errors).sum();
        if errors > 0 {
            cells.push(format!("{errors} ERRORS"));
        }
        line(row.name, &cells);
    }
    text
}
