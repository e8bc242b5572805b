//! Each daemon's `ARCHITECTURE.md` names every rule that the daemon keeps.

use crate::Tree;

/// The document, the letter of its rules, and how many there are.
const RULES: [(&str, char, u32); 2] = [
    ("volumed/ARCHITECTURE.md", 'V', 13),
    ("s3d/ARCHITECTURE.md", 'B', 9),
];

/// Missing documents and rules that they do not name.
pub fn offences(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, letter, count) in RULES {
        let Some(text) = tree.text(path) else {
            found.push(format!("{path} is missing"));
            continue;
        };
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let rules = (1..=count).map(|number| format!("{letter}{number}"));
        let unnamed = rules.filter(|rule| !words.contains(&rule.as_str()));
        found.extend(unnamed.map(|rule| format!("{path} does not name {rule}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_documents_and_rules_are_found() {
        assert_eq!(offences(&Tree::default()).len(), 2);
        let all = "V1, V2 V3 V4 V5 V6 V7 V8 V9 V10 (V11) V12. **V13**";
        let some = "B1 B2 B3 B4 B6 B7 B8 B9 B55";
        let tree = Tree::of(&[
            ("volumed/ARCHITECTURE.md", all),
            ("s3d/ARCHITECTURE.md", some),
        ]);
        assert_eq!(offences(&tree), ["s3d/ARCHITECTURE.md does not name B5"]);
    }
}
