//! The API's document.

use super::*;

/// The console is built from a copy, so that it can be built without a running server.
const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../console/openapi.json");

#[test]
fn the_consoles_copy_of_the_document_is_current() {
    let (_, document) = documented().split_for_parts();
    let current = format!("{}\n", document.to_pretty_json().unwrap());
    if std::env::var_os("HAYRACK_WRITE_OPENAPI").is_some() {
        std::fs::write(COPY, &current).unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        copy == current,
        "write it anew: HAYRACK_WRITE_OPENAPI=1 cargo test -p s3d-api document"
    );
}
