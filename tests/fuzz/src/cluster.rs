//! What is typed or shown by somebody who wants to be a node.

use crc_fast::{CrcAlgorithm, checksum};
use data_encoding::BASE32_NOPAD;
use volumed_cluster::{JoinToken, NodeCertificate};

/// A token as it was pasted, and one whose checksum is made right. What is read is printed so that it is read
/// the same.
pub fn token(data: &[u8]) {
    let sum = checksum(CrcAlgorithm::Crc32Iscsi, data) as u32;
    let whole = [data, &sum.to_le_bytes()].concat();
    for text in [
        String::from_utf8_lossy(data).into_owned(),
        BASE32_NOPAD.encode(&whole),
    ] {
        if let Ok(token) = text.parse::<JoinToken>() {
            assert_eq!(token.to_string().parse(), Ok(token));
        }
    }
}

/// The certificate of a handshake.
pub fn certificate(data: &[u8]) {
    if let Ok(read) = NodeCertificate::read(&data.into()) {
        assert!(read.renew_at() >= read.begins);
    }
}
