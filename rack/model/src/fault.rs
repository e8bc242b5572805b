//! What is wrong with a `rack.toml`, with the line, and what to write there.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The bytes of the text that it is about.
    pub span: Range<usize>,
    /// What is wrong, and what to write.
    pub sentence: String,
}

/// Why a text is no rack: everything that is wrong with it. It reads
///
/// ```text
/// rack.toml:12:11: "10.0.0.1" lies outside …
///    12 | address = "10.0.0.1"
///       |           ^^^^^^^^^^
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    name: String,
    text: String,
    faults: Vec<Fault>,
}

/// Why there is no rack.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}; `rack init` writes one", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What it says is no rack.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Refusal {
    /// `faults` are put in the order of the text, one at least.
    pub(crate) fn new(name: &str, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            faults,
        }
    }

    /// What is wrong, in the order of the text.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let spot = Spot::of(&self.text, &fault.span);
            let (row, column) = (spot.row, spot.column);
            writeln!(f, "{}:{row}:{column}: {}", self.name, fault.sentence)?;
            writeln!(f, "{row:>5} | {}", spot.line)?;
            let indent = " ".repeat(column - 1);
            write!(f, "      | {indent}{}", "^".repeat(spot.width))?;
        }
        Ok(())
    }
}

/// Where a fault is, as people count: from 1, in characters.
struct Spot<'a> {
    row: usize,
    column: usize,
    line: &'a str,
    /// Characters of the line that it is about, one at least.
    width: usize,
}

impl<'a> Spot<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let before = &text[line_start..start];
        let end = text
            .floor_char_boundary(span.end.max(start))
            .min(line_start + line.len());
        let marked = text.get(start..end).unwrap_or_default();
        Self {
            row: text[..line_start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            line,
            width: marked.chars().count().max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        let sentence = "wrong".to_owned();
        Refusal::new("rack.toml", text, vec![Fault { span, sentence }]).to_string()
    }

    #[test]
    fn the_line_is_shown_with_what_is_wrong_in_it() {
        assert_eq!(
            shown("a = 1\nb = \"xä\" # c\n", 10..15),
            "rack.toml:2:5: wrong\n    2 | b = \"xä\" # c\n      |     ^^^^"
        );
    }

    #[test]
    fn only_the_first_line_of_many_is_marked() {
        assert_eq!(
            shown("a = [\n1,\n]\n", 4..10),
            "rack.toml:1:5: wrong\n    1 | a = [\n      |     ^"
        );
        assert!(shown("", 0..0).starts_with("rack.toml:1:1:"));
        assert!(shown("a\n", 2..2).starts_with("rack.toml:2:1:"));
    }

    #[test]
    fn faults_come_in_the_order_of_the_text() {
        let fault = |start, sentence: &str| Fault {
            span: start..start + 1,
            sentence: sentence.to_owned(),
        };
        let refusal = Refusal::new("r", "abc", vec![fault(2, "second"), fault(0, "first")]);
        let sentences: Vec<_> = refusal
            .faults()
            .iter()
            .map(|f| f.sentence.as_str())
            .collect();
        assert_eq!(sentences, ["first", "second"]);
    }
}
