//! The public half of an OpenSSH private key that has no passphrase.
//!
//! Such a file is base64 between two lines: the magic word, then fields of which each is preceded by its length (u32,
//! big-endian): cipher, derivation of its key and the parameters of that; the number of keys, a u32, which is 1; the
//! public half, whose own first field is its kind; the rest is secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The public half as a line of `authorized_keys` has it, without comment; none if the text is no such key, or the key
/// has a passphrase.
pub fn public_half(private: &str) -> Option<String> {
    let text = private.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let text: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(text).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (cipher, rest) = field(rest)?;
    let (_derivation, rest) = field(rest)?;
    let (_parameters, rest) = field(rest)?;
    let (count, rest) = number(rest)?;
    let (public, _secret) = field(rest)?;
    let (kind, _) = field(public)?;
    let kind = std::str::from_utf8(kind).ok()?;
    let is_word = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_graphic());
    (cipher == b"none" && count == 1 && is_word)
        .then(|| format!("{kind} {}", STANDARD.encode(public)))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(length.try_into().ok()?)
}

#[cfg(test)]
pub mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// What ssh-keygen makes: the private key, and the line of its public half.
    pub fn pair(passphrase: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-C", "c", "-N", passphrase, "-f"]);
        assert!(make.arg(&path).status().unwrap().success());
        let read = |path| fs::read_to_string(path).unwrap();
        (read(path.clone()), read(path.with_extension("pub")))
    }

    #[test]
    fn the_public_half_is_what_ssh_keygen_says() {
        let (private, public) = pair("");
        let half = public_half(&private).unwrap();
        assert_eq!(format!("{half} c"), public.trim());
    }

    #[test]
    fn what_is_no_key_or_has_a_passphrase_has_none() {
        let (private, public) = pair("");
        assert_eq!(public_half(&pair("a passphrase").0), None);
        assert_eq!(public_half(&public), None);
        for cut in 0..private.len() - 1 {
            assert_eq!(public_half(&private[..cut]), None, "{cut}");
        }
        let body = STANDARD.encode(b"openssh-key-v1\0\0\0\0\xff");
        assert_eq!(public_half(&format!("{BEGIN}\n{body}\n{END}\n")), None);
    }
}
