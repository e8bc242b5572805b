//! Where a device is mounted: `/proc/self/mountinfo` (proc(5)), read without any I/O.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// A file system that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its kind, as in `ext4`.
    pub kind: String,
    /// The folder on which it is mounted, by one of its mounts.
    pub folder: PathBuf,
}

/// The file system on the device of this number (`MAJOR:MINOR`), if it is mounted.
pub fn of_device(mountinfo: &[u8], number: &str) -> Option<Mount> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .find_map(|line| of_line(line, number))
}

/// `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn of_line(line: &[u8], number: &str) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    if fields.nth(2)? != number.as_bytes() {
        return None;
    }
    let folder = unescape(fields.nth(1)?);
    fields.find(|field| *field == b"-")?;
    Some(Mount {
        kind: String::from_utf8_lossy(fields.next()?).into_owned(),
        folder: OsString::from_vec(folder).into(),
    })
}

/// Space, tab, line feed and backslash are written as three octal digits after a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        let escaped = (*first == b'\\').then(|| others.split_first_chunk::<3>());
        match escaped.flatten().and_then(|(digits, rest)| Some((octal(*digits)?, rest))) {
            Some((byte, behind)) => {
                plain.push(byte);
                rest = behind;
            }
            None => {
                plain.push(*first);
                rest = others;
            }
        }
    }
    plain
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let text = str::from_utf8(&digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}
