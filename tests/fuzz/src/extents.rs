//! What is said on volumed's extents socket.

use volumed_client::extents::wire::{HELLO_LENGTH, hello, name_length};

/// Reads a hello; one that is understood is what would have been said.
pub fn wire(data: &[u8]) {
    let Some((fixed, rest)) = data.split_first_chunk::<HELLO_LENGTH>() else {
        return;
    };
    let Ok(length) = name_length(*fixed) else {
        return;
    };
    if let Some(Ok(name)) = rest.get(..length).map(str::from_utf8) {
        assert_eq!(hello(name), [fixed, &rest[..length]].concat());
    }
}
