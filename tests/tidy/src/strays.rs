//! What may be at the top.

use crate::Tree;

/// The product's folders, and beside them only what tools demand.
const TOP: [&str; 19] = [
    ".ci",
    ".gitignore",
    ".gitlab-ci.yml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "fused",
    "openwrt",
    "os-image",
    "rack",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "s3d",
    "tests",
    "volumed",
];

/// Module names that say nothing.
const EMPTY_NAMES: [&str; 4] = ["utils", "common", "manager", "types"];

/// Entries at the top that are none of these, and files and folders with empty names.
pub fn offences(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, _) in tree.files() {
        let top = path.split('/').next().unwrap_or(path);
        if !TOP.contains(&top) {
            found.push(format!("{top} does not belong at the top"));
        }
    }
    for (path, _) in tree.rust() {
        let mut names = path.trim_end_matches(".rs").split('/');
        if let Some(name) = names.find(|name| EMPTY_NAMES.contains(name)) {
            found.push(format!("{path}: {name} is a name that says nothing"));
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_are_found() {
        let tree = Tree::of(&[("notes/a", ""), ("notes/b", ""), ("s3d/src/main.rs", "")]);
        assert_eq!(offences(&tree), ["notes does not belong at the top"]);
    }

    #[test]
    fn empty_names_are_found() {
        let tree = Tree::of(&[("s3d/src/utils.rs", ""), ("s3d/src/types/a.rs", "")]);
        assert_eq!(offences(&tree).len(), 2);
    }
}
