//! Which crate may use which.

use toml::{Table, Value};

use crate::Tree;

/// The libraries of the workspace, by package.
const ALLOWED: [(&str, &[&str]); 39] = [
    ("fused", &["fused-fs", "fused-s3", "volumed-size"]),
    ("fused-fs", &[]),
    ("fused-s3", &[]),
    (
        "rack",
        &["volumed-client", "volumed-core", "volumed-daemon"],
    ),
    ("rack-model", &["volumed-core"]),
    ("rack-mount", &[]),
    ("os-image", &[]),
    ("hayrack-node", &[]),
    (
        "volumed",
        &[
            "volumed-client",
            "volumed-cluster",
            "volumed-core",
            "volumed-daemon",
            "volumed-disk",
            "volumed-listener",
            "volumed-meta",
            "volumed-nbd",
            "volumed-netlink",
            "volumed-node",
            "volumed-peer",
        ],
    ),
    ("volumed-buffers", &[]),
    (
        "volumed-client",
        &["volumed-buffers", "volumed-nbd", "volumed-socket"],
    ),
    ("volumed-cluster", &["volumed-meta"]),
    ("volumed-socket", &[]),
    ("volumed-core", &["volumed-size"]),
    ("volumed-daemon", &["volumed-client"]),
    ("volumed-disk", &["volumed-buffers", "volumed-core"]),
    (
        "volumed-listener",
        &[
            "volumed-daemon",
            "volumed-nbd",
            "volumed-socket",
            "volumed-stream",
        ],
    ),
    ("volumed-meta", &[]),
    ("volumed-nbd", &[]),
    ("volumed-netlink", &[]),
    (
        "volumed-node",
        &[
            "volumed-cluster",
            "volumed-core",
            "volumed-disk",
            "volumed-meta",
            "volumed-peer",
        ],
    ),
    ("volumed-peer", &["volumed-core", "volumed-stream"]),
    ("volumed-size", &[]),
    ("volumed-stream", &["volumed-socket"]),
    (
        "s3d",
        &[
            "s3d-accounts",
            "s3d-api",
            "s3d-audit",
            "s3d-bucket",
            "s3d-buckets",
            "s3d-console",
            "s3d-front",
            "s3d-mail",
            "s3d-names",
            "s3d-rack",
            "s3d-records",
            "volumed-client",
            "volumed-cluster",
            "volumed-daemon",
            "volumed-meta",
        ],
    ),
    (
        "s3d-accounts",
        &["s3d-bucket", "s3d-names", "s3d-records", "volumed-meta"],
    ),
    (
        "s3d-api",
        &[
            "s3d-accounts",
            "s3d-audit",
            "s3d-bucket",
            "s3d-buckets",
            "s3d-mail",
            "s3d-names",
            "s3d-records",
            "volumed-client",
        ],
    ),
    ("s3d-audit", &["s3d-accounts"]),
    ("s3d-bucket", &["s3d-md5", "volumed-client"]),
    (
        "s3d-buckets",
        &[
            "s3d-accounts",
            "s3d-bucket",
            "s3d-names",
            "s3d-policy",
            "s3d-records",
            "s3d-usage",
            "volumed-client",
            "volumed-cluster",
            "volumed-meta",
        ],
    ),
    (
        "s3d-front",
        &[
            "s3d-accounts",
            "s3d-bucket",
            "s3d-buckets",
            "s3d-md5",
            "s3d-names",
            "s3d-policy",
            "s3d-records",
        ],
    ),
    ("s3d-console", &[]),
    ("s3d-mail", &["s3d-names"]),
    ("s3d-md5", &[]),
    ("s3d-names", &[]),
    ("s3d-policy", &["s3d-names"]),
    (
        "s3d-rack",
        &[
            "s3d-bucket",
            "s3d-buckets",
            "s3d-front",
            "s3d-records",
            "volumed-cluster",
            "volumed-meta",
        ],
    ),
    ("s3d-records", &["volumed-meta"]),
    (
        "s3d-usage",
        &["s3d-bucket", "s3d-names", "s3d-records", "volumed-meta"],
    ),
];

/// All that a pure crate may use: nothing here does I/O, reads a clock or draws random numbers.
const PURE_MAY_USE: [&str; 7] = [
    "blake3",
    "bytes",
    "crc-fast",
    "postcard",
    "serde",
    "thiserror",
    "volumed-size",
];

/// The folders of the pure crates.
pub const PURE: [&str; 4] = [
    "volumed/core",
    "volumed/nbd",
    "volumed/netlink",
    "volumed/size",
];

/// Types and functions that every pure crate's `clippy.toml` must forbid.
const PURE_FORBIDS: [&str; 7] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs::File",
    "std::net::TcpStream",
    "std::os::unix::net::UnixStream",
    "std::collections::HashMap",
    "std::thread::sleep",
];

/// Every arrow that must not be, and every package that does not take the workspace's lints.
pub fn offences(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let manifests = tree
        .files()
        .filter(|(path, _)| path.ends_with("/Cargo.toml"));
    for (path, text) in manifests {
        match text.parse::<Table>() {
            Ok(manifest) => found.extend(of_manifest(path, &manifest)),
            Err(error) => found.push(format!("{path} cannot be read: {error}")),
        }
    }
    for folder in PURE {
        let path = format!("{folder}/clippy.toml");
        let text = tree.text(&path).unwrap_or_default();
        let missing = PURE_FORBIDS
            .iter()
            .filter(|name| !text.contains(&format!("\"{name}\"")));
        found.extend(missing.map(|name| format!("{path} does not forbid {name}")));
    }
    found
}

fn of_manifest(path: &str, manifest: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    // A workspace of its own has no lints to take.
    let is_root = manifest.contains_key("workspace");
    if !is_root && lints != Some(&Value::Boolean(true)) {
        found.push(format!("{path} lacks [lints] workspace = true"));
    }
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let Some(name) = name.and_then(Value::as_str) else {
        found.push(format!("{path} names no package"));
        return found;
    };
    let folder = path.trim_end_matches("/Cargo.toml");
    let used = dependencies(manifest);
    for used in &used {
        let ours = used == "s3d" || used.starts_with("s3d-") || used.starts_with("volumed");
        if ours && !may_use(name, used) {
            found.push(format!("{name} must not use {used}"));
        }
        if PURE.contains(&folder) && !PURE_MAY_USE.contains(&used.as_str()) {
            found.push(format!("{name} is pure and must not use {used}"));
        }
    }
    found
}

/// Programs of the tests may use everything; fused sees volumed through S3 only, and reads
/// sizes as it does.
fn may_use(name: &str, used: &str) -> bool {
    match ALLOWED.iter().find(|(own, _)| *own == name) {
        Some((_, allowed)) => allowed.contains(&used),
        None => !name.starts_with("fused"),
    }
}

/// What is linked into the product: dev-dependencies are not.
fn dependencies(manifest: &Table) -> Vec<String> {
    let tables = ["dependencies", "build-dependencies"];
    let own = tables
        .iter()
        .filter_map(|key| manifest.get(*key)?.as_table());
    let targets = manifest.get("target").and_then(Value::as_table);
    let of_targets = targets
        .into_iter()
        .flat_map(Table::values)
        .flat_map(|target| tables.iter().filter_map(|key| target.get(*key)?.as_table()));
    own.chain(of_targets)
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &str, manifest: &str) -> Vec<String> {
        let path = format!("{folder}/Cargo.toml");
        let all = offences(&Tree::of(&[(&path, manifest)]));
        all.into_iter()
            .filter(|offence| !offence.contains("clippy.toml"))
            .collect()
    }

    #[test]
    fn forbidden_arrows_are_found() {
        let manifest = "[package]\nname = \"s3d\"\n[lints]\nworkspace = true\n\
            [dependencies]\nvolumed-core.workspace = true\nvolumed-client.workspace = true\n";
        assert_eq!(found("s3d", manifest), ["s3d must not use volumed-core"]);
        let manifest = "[package]\nname = \"fused-fs\"\n[lints]\nworkspace = true\n\
            [target.'cfg(unix)'.dependencies]\nvolumed-client.workspace = true\n";
        assert_eq!(
            found("fused/fs", manifest),
            ["fused-fs must not use volumed-client"]
        );
    }

    #[test]
    fn pure_crates_use_little() {
        let manifest = "[package]\nname = \"volumed-core\"\n[lints]\nworkspace = true\n\
            [dependencies]\nrand = \"1\"\nthiserror = \"2\"\n[dev-dependencies]\nproptest = \"1\"\n";
        assert_eq!(
            found("volumed/core", manifest),
            ["volumed-core is pure and must not use rand"]
        );
    }

    #[test]
    fn missing_lints_and_bans_are_found() {
        let manifest = "[package]\nname = \"x\"\n";
        assert_eq!(
            found("x", manifest),
            ["x/Cargo.toml lacks [lints] workspace = true"]
        );
        let all = offences(&Tree::default());
        assert_eq!(all.len(), PURE.len() * PURE_FORBIDS.len());
    }
}
