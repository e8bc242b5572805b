//! What is said on the extents socket.
//!
//! ```text
//! client  "HYXF", version u16, length u16, then so many bytes: the export's name, NAME@EPOCH
//! daemon  status u32; 0: the client has leave to read until the connection ends
//! client  extent u64
//! daemon  status u32, with the descriptor of the extent's data file if it is 0
//! ...     the last two again and again, one at a time
//! ```
//!
//! All integers are little-endian. The daemon ends the leave by shutting the connection down; so does
//! its death. The client's socket shows either from that moment on, whatever still waits to be read.

/// What a connection begins with.
const MAGIC: [u8; 4] = *b"HYXF";
const VERSION: u16 = 1;

/// Length of the fixed part of a hello, in bytes.
pub const HELLO_LENGTH: usize = 8;

/// Length of a request, in bytes.
pub const REQUEST_LENGTH: usize = 8;

/// Length of an answer, in bytes.
pub const ANSWER_LENGTH: usize = 4;

/// Bytes of the volume that one file holds.
pub const EXTENT_SIZE: u64 = 64 << 20;

/// The hello is not one, or is of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side does not speak version {VERSION} of the extents protocol")]
pub struct NotUnderstood;

/// The first words of a client.
pub fn hello(export: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    // A longer name is no export's; the daemon refuses what is left of it.
    let length = u16::try_from(export.len()).unwrap_or(u16::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend(&export.as_bytes()[..length.into()]);
    bytes
}

/// Length in bytes of the name behind the fixed part of a hello.
pub fn name_length(fixed: [u8; HELLO_LENGTH]) -> Result<usize, NotUnderstood> {
    let [a, b, c, d, version @ .., low, high] = fixed;
    if [a, b, c, d] == MAGIC && u16::from_le_bytes(version) == VERSION {
        Ok(u16::from_le_bytes([low, high]).into())
    } else {
        Err(NotUnderstood)
    }
}

/// Asks for an extent's file.
pub fn request(extent: u64) -> [u8; REQUEST_LENGTH] {
    extent.to_le_bytes()
}

/// The extent that is asked for.
pub fn requested(request: [u8; REQUEST_LENGTH]) -> u64 {
    u64::from_le_bytes(request)
}

/// An answer.
pub fn answer(granted: bool) -> [u8; ANSWER_LENGTH] {
    u32::from(!granted).to_le_bytes()
}

/// Whether an answer grants what was asked for.
pub fn granted(answer: [u8; ANSWER_LENGTH]) -> bool {
    answer == [0; ANSWER_LENGTH]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_names_the_export() {
        let bytes = hello("photos@7");
        let (fixed, name) = bytes.split_first_chunk().expect("a fixed part");
        assert_eq!(name_length(*fixed), Ok(name.len()));
        assert_eq!(name, b"photos@7");
    }

    #[test]
    fn another_version_is_not_understood() {
        let mut fixed = *hello("a@1").first_chunk().expect("a fixed part");
        fixed[4] += 1;
        assert_eq!(name_length(fixed), Err(NotUnderstood));
        assert_eq!(name_length(*b"GET / HT"), Err(NotUnderstood));
    }
}
