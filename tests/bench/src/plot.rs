//! The ratios as a picture: a bar for each row, on a logarithmic scale.

use std::fmt::Write as _;

const LABELS: f64 = 330.0;
const BARS: f64 = 420.0;
const LINE: f64 = 22.0;
/// The scale's end, and where it begins if no ratio is less.
const MOST: f64 = 4096.0;
const LEAST: f64 = 0.25;
/// Between two marks; ratios below the least of all are drawn as that one.
const STEP: f64 = 4.0;
const LEAST_OF_ALL: f64 = 1.0 / 1024.0;

/// An SVG document; each row has its name and how many times better Hayrack is.
pub fn draw(title: &str, rows: &[(&str, f64)]) -> String {
    let (width, height) = (LABELS + BARS + 70.0, LINE * (rows.len() as f64 + 2.5));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>{title}: how many times better</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let bottom = LINE * (rows.len() as f64 + 1.0);
    let least = least(rows);
    let place = |ratio| place(ratio, least);
    let marks = std::iter::successors(Some(least), |mark| Some(mark * STEP));
    for mark in marks.take_while(|mark| *mark <= MOST) {
        let at = place(mark);
        let even = if mark.log2().abs() < 0.1 {
            "#444444"
        } else {
            "#dddddd"
        };
        line(
            &mut svg,
            format_args!(
                "<path d=\"M{at:.1} {LINE}V{bottom}\" stroke=\"{even}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + LINE,
                shown(mark),
            ),
        );
    }
    for (number, (name, ratio)) in rows.iter().enumerate() {
        let top = LINE * (number as f64 + 1.0);
        let (from, to) = (place(ratio.min(1.0)), place(ratio.max(1.0)));
        let digits = digits(*ratio);
        let colour = if *ratio >= 1.0 { "#2f7d4f" } else { "#b5482f" };
        line(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
                 <rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{ratio:.digits$}</text>",
                LABELS - 8.0,
                top + 15.0,
                top + 4.0,
                to - from,
                to + 5.0,
                top + 15.0,
            ),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("a String takes every write");
}

/// Where the scale begins, so that the least ratio is on it.
fn least(rows: &[(&str, f64)]) -> f64 {
    let mut least = LEAST;
    while least > LEAST_OF_ALL && rows.iter().any(|row| row.1 < least) {
        least /= STEP;
    }
    least
}

/// A mark as people write it.
fn shown(mark: f64) -> String {
    if mark < LEAST {
        format!("1/{}", 1.0 / mark)
    } else {
        format!("{mark}×")
    }
}

/// After the point, so that a small ratio is not shown as none.
pub fn digits(ratio: f64) -> usize {
    if ratio < 0.1 { 4 } else { 2 }
}

/// Where a ratio is on a scale that begins with `least`.
fn place(ratio: f64, least: f64) -> f64 {
    let part = (ratio.clamp(least, MOST) / least).ln() / (MOST / least).ln();
    LABELS + part * BARS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_logarithmic_and_has_ends() {
        let place = |ratio| place(ratio, LEAST);
        assert!((place(LEAST) - LABELS).abs() < 1e-9);
        assert!((place(1e9) - LABELS - BARS).abs() < 1e-9);
        assert!((place(4.0) - place(1.0) - (place(64.0) - place(16.0))).abs() < 1e-9);
    }

    #[test]
    fn the_scale_begins_early_enough() {
        assert!((least(&[("x", 3.0)]) - LEAST).abs() < 1e-9);
        assert!((least(&[("x", 3.0), ("y", 0.05)]) - 1.0 / 64.0).abs() < 1e-9);
        assert!((least(&[("x", 0.0)]) - LEAST_OF_ALL).abs() < 1e-9);
        assert_eq!(shown(1.0 / 64.0), "1/64");
    }
}
