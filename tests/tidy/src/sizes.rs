//! Files and functions that fit a head.

use crate::Tree;

const FILE_LINES: usize = 500;
/// About one screen.
const FUNCTION_LINES: usize = 80;

/// A file or function that may be longer, and why.
pub struct Exception {
    /// The path of a file, or `path: name` of a function in it.
    pub what: &'static str,
    /// Why it may.
    pub reason: &'static str,
}

/// What is too long, and exceptions that nothing needs any more.
pub fn offences(tree: &Tree, exceptions: &[Exception]) -> Vec<String> {
    let mut long = Vec::new();
    for (path, text) in tree.rust() {
        let lines = text.lines().count();
        if lines > FILE_LINES {
            long.push((path.to_owned(), lines, FILE_LINES));
        }
        for (name, lines) in functions(text).filter(|(_, lines)| *lines > FUNCTION_LINES) {
            long.push((format!("{path}: {name}"), lines, FUNCTION_LINES));
        }
    }
    let unneeded = exceptions
        .iter()
        .filter(|exception| !long.iter().any(|(what, ..)| what == exception.what))
        .map(|exception| format!("{} no longer needs its exception", exception.what));
    let offending = long
        .iter()
        .filter(|(what, ..)| !exceptions.iter().any(|exception| exception.what == what))
        .map(|(what, lines, most)| format!("{what} has {lines} lines; {most} are allowed"));
    offending.chain(unneeded).collect()
}

/// The name and number of lines of every function. rustfmt puts the closing brace of a function
/// where its first line begins, which is all that is relied on.
fn functions(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    (0..lines.len()).filter_map(move |start| {
        let (indent, name) = function(lines[start])?;
        let end = lines[start..].iter().position(|line| {
            line.len() > indent
                && line.as_bytes()[indent] == b'}'
                && line.as_bytes()[..indent].iter().all(|byte| *byte == b' ')
        })?;
        Some((name, end + 1))
    })
}

/// The indent and name of a function with a body that begins on this line.
fn function(line: &str) -> Option<(usize, &str)> {
    let code = line.trim_start();
    let (modifiers, rest) = code.split_once("fn ")?;
    let is_modifier =
        |word: &str| matches!(word, "async" | "const" | "unsafe") || word.starts_with("pub");
    if code.ends_with(';')
        || code.ends_with('}')
        || !modifiers
            .split(' ')
            .all(|word| word.is_empty() || is_modifier(word))
    {
        return None;
    }
    let name = rest.split(['(', '<']).next()?;
    Some((line.len() - code.len(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_function(lines: usize) -> Tree {
        let body = "        x();\n".repeat(lines - 2);
        let text = format!("impl A {{\n    pub(crate) async fn long() {{\n{body}    }}\n}}\n");
        Tree::of(&[("a.rs", &text)])
    }

    #[test]
    fn long_functions_are_found() {
        assert_eq!(offences(&with_function(FUNCTION_LINES), &[]), [""; 0]);
        let found = offences(&with_function(FUNCTION_LINES + 1), &[]);
        assert_eq!(found, ["a.rs: long has 81 lines; 80 are allowed"]);
    }

    #[test]
    fn long_files_are_found() {
        let text = "//\n".repeat(FILE_LINES + 1);
        let found = offences(&Tree::of(&[("a.rs", &text), ("b.txt", &text)]), &[]);
        assert_eq!(found, ["a.rs has 501 lines; 500 are allowed"]);
    }

    #[test]
    fn exceptions_hold_and_do_not_outlive_their_need() {
        let exceptions = [Exception {
            what: "a.rs: long",
            reason: "a table",
        }];
        assert_eq!(offences(&with_function(90), &exceptions), [""; 0]);
        let found = offences(&with_function(10), &exceptions);
        assert_eq!(found, ["a.rs: long no longer needs its exception"]);
    }
}
