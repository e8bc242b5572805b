//! Entry points for `tests/fuzz`.

/// Reads a `disk.json`.
pub fn identity(text: &[u8]) {
    crate::identity::fuzz(text);
}
