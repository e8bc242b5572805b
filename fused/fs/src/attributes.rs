//! Mode, owner, times and extended attributes, as they are stored with objects.
//!
//! The form is that of s3fs: `mode` in decimal with the file's type in it, `uid`, `gid`, and `mtime`,
//! `atime` and `ctime` in seconds with a fraction, which rclone reads as well; `xattr` is a JSON object
//! of base64 values, percent-encoded. Modes that rclone wrote, in octal, are read too.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    const SECOND: i64 = 1_000_000_000;

    /// Whole seconds, and the nanoseconds behind them.
    pub fn split(self) -> (i64, u32) {
        let nanoseconds = self.0.rem_euclid(Self::SECOND).unsigned_abs();
        (self.0.div_euclid(Self::SECOND), nanoseconds as u32)
    }

    /// Undoes [`Timestamp::split`]; the far past and future become the ends of what there is.
    pub fn new(seconds: i64, nanoseconds: u32) -> Self {
        let whole = seconds.saturating_mul(Self::SECOND);
        Self(whole.saturating_add(i64::from(nanoseconds)))
    }

    /// Seconds with a fraction; the fraction of times before 1970 counts down from the second.
    fn to_text(self) -> String {
        let magnitude = self.0.unsigned_abs();
        let (seconds, fraction) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            format!("{sign}{seconds}")
        } else {
            let text = format!("{sign}{seconds}.{fraction:09}");
            text.trim_end_matches('0').to_owned()
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        let (sign, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (seconds, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        if !fraction.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        let seconds: u32 = seconds.parse().ok()?;
        let digits: String = fraction
            .chars()
            .chain("000000000".chars())
            .take(9)
            .collect();
        let nanoseconds: i64 = digits.parse().ok()?;
        Some(Self(
            sign * (i64::from(seconds) * Self::SECOND + nanoseconds),
        ))
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; the object's bytes are its target.
    Symlink,
    /// A named pipe; the kernel keeps what is in it.
    Fifo,
    /// A socket's name.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    const FORMAT: u32 = 0o170_000;

    fn format(self) -> u32 {
        match self {
            Self::File => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Symlink => 0o120_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
            Self::CharDevice => 0o020_000,
            Self::BlockDevice => 0o060_000,
        }
    }

    /// The kind in a mode's upper bits.
    pub fn of_mode(mode: u32) -> Option<Self> {
        let kinds = [
            Self::File,
            Self::Directory,
            Self::Symlink,
            Self::Fifo,
            Self::Socket,
            Self::CharDevice,
            Self::BlockDevice,
        ];
        kinds
            .into_iter()
            .find(|kind| kind.format() == mode & Self::FORMAT)
    }
}

/// Most bits that a mode has beside its kind.
pub const PERMISSIONS: u32 = 0o7777;

/// What a file system keeps of a file beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// Permissions, with set-user-ID, set-group-ID and sticky.
    pub permissions: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Last read.
    pub accessed: Timestamp,
    /// Last change of the bytes.
    pub modified: Timestamp,
    /// Last change of anything.
    pub changed: Timestamp,
    /// Which device, if it is one.
    pub device: u32,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What applies to objects that say nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permissions of files.
    pub file: u32,
    /// Permissions of directories.
    pub directory: u32,
}

/// The names of the metadata, without `x-amz-meta-`.
pub mod metadata {
    /// Kind and permissions.
    pub const MODE: &str = "mode";
    /// The owner.
    pub const UID: &str = "uid";
    /// The group.
    pub const GID: &str = "gid";
    /// Last change of the bytes.
    pub const MTIME: &str = "mtime";
    /// Last read.
    pub const ATIME: &str = "atime";
    /// Last change of anything.
    pub const CTIME: &str = "ctime";
    /// Which device it is.
    pub const RDEV: &str = "rdev";
    /// Extended attributes.
    pub const XATTR: &str = "xattr";

    /// All of them.
    pub const ALL: [&str; 8] = [MODE, UID, GID, MTIME, ATIME, CTIME, RDEV, XATTR];
}

impl Attributes {
    /// Of something new.
    pub fn new(kind: Kind, permissions: u32, (uid, gid): (u32, u32), now: Timestamp) -> Self {
        Self {
            kind,
            permissions: permissions & PERMISSIONS,
            uid,
            gid,
            accessed: now,
            modified: now,
            changed: now,
            device: 0,
            xattrs: BTreeMap::new(),
        }
    }

    /// Of an object. `directory`: its key ends in `/`, or it stands for keys below it. `stored`: when
    /// it was written. What cannot be read is as if it were not there.
    pub fn of_object<'a>(
        get: impl Fn(&str) -> Option<&'a str>,
        directory: bool,
        stored: Timestamp,
        defaults: &Defaults,
    ) -> Self {
        let number = |name| get(name).and_then(|text| text.trim().parse::<u32>().ok());
        let time = |name| get(name).and_then(Timestamp::of_text);
        let mode = get(metadata::MODE).and_then(mode);
        let (kind, permissions) = match mode {
            Some((kind, permissions)) if (kind == Kind::Directory) == directory => {
                (kind, Some(permissions))
            }
            // The key says more than what somebody wrote beside it.
            _ if directory => (Kind::Directory, None),
            _ => (Kind::File, None),
        };
        let modified = time(metadata::MTIME).unwrap_or(stored);
        Self {
            kind,
            permissions: permissions.unwrap_or(if directory {
                defaults.directory
            } else {
                defaults.file
            }),
            uid: number(metadata::UID).unwrap_or(defaults.uid),
            gid: number(metadata::GID).unwrap_or(defaults.gid),
            accessed: time(metadata::ATIME).unwrap_or(modified),
            modified,
            changed: time(metadata::CTIME).unwrap_or(stored),
            device: number(metadata::RDEV).unwrap_or(0),
            xattrs: get(metadata::XATTR).and_then(xattrs).unwrap_or_default(),
        }
    }

    /// As metadata; the names are [`metadata::ALL`] but for those that have nothing to say.
    pub fn to_metadata(&self) -> Vec<(&'static str, String)> {
        let mode = self.kind.format() | self.permissions;
        let mut stored = vec![
            (metadata::MODE, mode.to_string()),
            (metadata::UID, self.uid.to_string()),
            (metadata::GID, self.gid.to_string()),
            (metadata::MTIME, self.modified.to_text()),
            (metadata::ATIME, self.accessed.to_text()),
            (metadata::CTIME, self.changed.to_text()),
        ];
        if self.device != 0 {
            stored.push((metadata::RDEV, self.device.to_string()));
        }
        if !self.xattrs.is_empty() {
            let encoded = self.xattrs.iter();
            let encoded: BTreeMap<_, _> = encoded
                .map(|(name, value)| (name, STANDARD.encode(value)))
                .collect();
            let json = serde_json::to_string(&encoded).expect("a map of texts is JSON");
            let text = utf8_percent_encode(&json, NON_ALPHANUMERIC).to_string();
            stored.push((metadata::XATTR, text));
        }
        stored
    }
}

/// Decimal as s3fs writes it, or octal as rclone does: only one of them has a kind that exists.
fn mode(text: &str) -> Option<(Kind, u32)> {
    let text = text.trim();
    let readings = [10, 8].map(|radix| u32::from_str_radix(text, radix).ok());
    readings.into_iter().flatten().find_map(|mode| {
        let kind = Kind::of_mode(mode)?;
        (mode & !(Kind::FORMAT | PERMISSIONS) == 0).then_some((kind, mode & PERMISSIONS))
    })
}

fn xattrs(text: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let json = percent_decode_str(text).decode_utf8().ok()?;
    let encoded: BTreeMap<String, String> = serde_json::from_str(&json).ok()?;
    let decoded = encoded.into_iter();
    decoded
        .map(|(name, value)| Some((name, STANDARD.decode(value).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults = Defaults {
        uid: 7,
        gid: 8,
        file: 0o640,
        directory: 0o750,
    };

    fn read(metadata: &[(&str, &str)], directory: bool) -> Attributes {
        let get = |name: &str| metadata.iter().find(|it| it.0 == name).map(|it| it.1);
        Attributes::of_object(get, directory, Timestamp::new(1000, 0), &DEFAULTS)
    }

    #[test]
    fn what_is_stored_comes_back() {
        let mut attributes = Attributes::new(Kind::Symlink, 0o4755, (1, 2), Timestamp(5));
        attributes.modified = Timestamp::new(1_700_000_000, 120_000_000);
        attributes.accessed = Timestamp(-1_500_000_000);
        attributes.device = 259;
        attributes.xattrs.insert("user.ü".into(), vec![0, 255]);
        let stored = attributes.to_metadata();
        let borrowed: Vec<_> = stored
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(read(&borrowed, false), attributes);
        assert!(stored.contains(&("mtime", "1700000000.12".into())));
        assert!(stored.contains(&("atime", "-1.5".into())));
        assert!(stored.iter().all(|(_, value)| value.is_ascii()));
    }

    #[test]
    fn what_s3fs_and_rclone_wrote_is_read() {
        let s3fs = read(
            &[("mode", "33188"), ("mtime", "1700000000"), ("uid", "1000")],
            false,
        );
        assert_eq!((s3fs.kind, s3fs.permissions), (Kind::File, 0o644));
        assert_eq!((s3fs.uid, s3fs.gid), (1000, 8));
        assert_eq!(s3fs.modified, Timestamp::new(1_700_000_000, 0));
        let rclone = read(
            &[("mode", "100600"), ("mtime", "1700000000.123456789")],
            false,
        );
        assert_eq!(rclone.permissions, 0o600);
        assert_eq!(rclone.modified, Timestamp::new(1_700_000_000, 123_456_789));
    }

    #[test]
    fn nonsense_is_as_if_it_were_not_there() {
        let expected = read(&[], false);
        assert_eq!((expected.permissions, expected.uid), (0o640, 7));
        assert_eq!(expected.modified, Timestamp::new(1000, 0));
        let nonsense = [
            ("mode", "rw"),
            ("uid", "-1"),
            ("mtime", "1.2.3"),
            ("xattr", "%7B"),
        ];
        assert_eq!(read(&nonsense, false), expected);
        // A directory's mode on an object that is none, and the reverse.
        assert_eq!(read(&[("mode", "16877")], false).kind, Kind::File);
        assert_eq!(read(&[("mode", "33188")], true).permissions, 0o750);
    }
}
