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
        let digits = rest.strip_prefix(b"\\").and_then(<[u8]>::split_first_chunk);
        let escaped = digits.and_then(|(digits, behind)| Some((octal(*digits)?, behind)));
        let (byte, behind) = escaped.unwrap_or((*first, others));
        plain.push(byte);
        rest = behind;
    }
    plain
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    let text = str::from_utf8(&digits).ok()?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Mount, of_device, unescape};

    const MOUNTINFO: &[u8] = b"\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
30 22 43:0 / /srv/a\\040b\\134 rw,noatime master:1 shared:2 - ext4 /dev/nbd0 rw,errors=remount-ro\n\
31 22 43:1 / /srv/x rw - xfs /dev/nbd1 rw\n\
32 22 43:10 / /srv/y rw - xfs /dev/nbd10 rw\n\
33 22 43:1";

    #[test]
    fn the_mount_of_a_device_is_found() {
        let mount = |kind: &str, folder: &str| {
            let (kind, folder) = (kind.to_owned(), folder.into());
            Some(Mount { kind, folder })
        };
        assert_eq!(of_device(MOUNTINFO, "43:0"), mount("ext4", "/srv/a b\\"));
        assert_eq!(of_device(MOUNTINFO, "43:1"), mount("xfs", "/srv/x"));
        assert_eq!(of_device(MOUNTINFO, "43:2"), None);
        assert_eq!(of_device(b"", "43:0"), None);
    }

    proptest! {
        #[test]
        fn any_folder_comes_back(folder in prop::collection::vec(1u8.., 0..40)) {
            let escaped: Vec<u8> = folder
                .iter()
                .flat_map(|byte| match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
                    byte => vec![*byte],
                })
                .collect();
            prop_assert_eq!(unescape(&escaped), folder);
        }

        #[test]
        fn nothing_is_too_strange(mountinfo in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = of_device(&mountinfo, "43:0");
            let _ = unescape(&mountinfo);
        }
    }
}
