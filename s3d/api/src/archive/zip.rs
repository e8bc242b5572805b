//! A zip file, written from its beginning to its end. Pure.
//!
//! APPNOTE.TXT 6.3.10 is its format. Nothing is compressed: objects mostly are already, and the processor has
//! other work. The checksum of an object is known only behind its bytes, so it stands there, in a data descriptor,
//! and once more in the directory at the end. Fields of 64 bits (zip64) are used where 32 are too few, and only
//! there: not everything that unpacks knows them.

use crc_fast::{CrcAlgorithm, Digest};
use s3d_bucket::Timestamp;
use time::OffsetDateTime;

/// Bytes of the directory at the end of an archive, at most: it is in memory until then. 300,000 objects with
/// names of 60 bytes have room.
pub const DIRECTORY_LIMIT: usize = 32 << 20;

/// The version of the format that whoever unpacks must know: with zip64, and without.
const NEEDS_ZIP64: u16 = 45;
const PLAIN: u16 = 20;
/// Made on Unix, which says how to read the attributes.
const MADE_BY: u16 = 3 << 8 | NEEDS_ZIP64;
/// Sizes and checksum follow behind the bytes; names are UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const STORED: u16 = 0;
/// Stands for a number that is in the zip64 field.
const ELSEWHERE: u32 = u32::MAX;
const ZIP64_FIELD: u16 = 1;
/// Unix mode and kind: a file, or a folder with the mark of DOS.
const FILE: u32 = 0o100_644 << 16;
const FOLDER: u32 = 0o040_755 << 16 | 0x10;

/// What of an archive was written so far.
#[derive(Debug, Default)]
pub struct Zip {
    position: u64,
    directory: Vec<u8>,
    members: u64,
}

/// The object that is being written.
#[derive(Debug)]
pub struct Member {
    name: String,
    start: u64,
    /// Whether its own header says that its sizes have 64 bits.
    zip64: bool,
    stamp: Stamp,
    digest: Digest,
    length: u64,
}

/// A time as DOS has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    time: u16,
    date: u16,
}

/// Bytes of the directory for an object of this name, at most.
pub fn directory_bytes(name: &str) -> usize {
    46 + 28 + name.len()
}

impl Member {
    /// Bytes of the object follow.
    pub fn add(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
    }
}

impl Zip {
    /// Begins an object that will have `size` bytes. Answers what stands before them. Names have at most
    /// 65,535 bytes.
    pub fn begin(&mut self, name: &str, size: u64, modified: Timestamp) -> (Member, Vec<u8>) {
        let member = Member {
            name: name.to_owned(),
            start: self.position,
            zip64: size >= u64::from(ELSEWHERE),
            stamp: Stamp::of(modified),
            digest: Digest::new(CrcAlgorithm::Crc32IsoHdlc),
            length: 0,
        };
        let mut header = Record::new(0x0403_4b50);
        header.u16(member.version()).u16(FLAGS).u16(STORED);
        header.u16(member.stamp.time).u16(member.stamp.date).u32(0);
        let (size, extra) = if member.zip64 {
            (ELSEWHERE, 20)
        } else {
            (0, 0)
        };
        header.u32(size).u32(size);
        header.u16(name.len() as u16).u16(extra).text(name);
        if member.zip64 {
            header.u16(ZIP64_FIELD).u16(16).u64(0).u64(0);
        }
        self.position += header.0.len() as u64;
        (member, header.0)
    }

    /// The object has ended. Answers what stands behind its bytes.
    pub fn end(&mut self, member: &Member) -> Vec<u8> {
        let crc = member.digest.finalize() as u32;
        let mut descriptor = Record::new(0x0807_4b50);
        descriptor.u32(crc);
        if member.zip64 {
            descriptor.u64(member.length).u64(member.length);
        } else {
            descriptor
                .u32(member.length as u32)
                .u32(member.length as u32);
        }
        self.position += member.length + descriptor.0.len() as u64;
        self.members += 1;
        member.enter(crc, &mut self.directory);
        descriptor.0
    }

    /// Bytes of the directory so far.
    pub fn directory_length(&self) -> usize {
        self.directory.len()
    }

    /// The end of the archive: the directory, and where it is.
    pub fn finish(self) -> Vec<u8> {
        let (start, length) = (self.position, self.directory.len() as u64);
        let few = u16::try_from(self.members)
            .ok()
            .filter(|it| *it != u16::MAX);
        let mut end = Record(self.directory);
        if few.is_none() || is_long(start) || is_long(length) {
            let here = start + length;
            end.u32(0x0606_4b50).u64(44).u16(MADE_BY).u16(NEEDS_ZIP64);
            end.u32(0).u32(0).u64(self.members).u64(self.members);
            end.u64(length).u64(start);
            end.u32(0x0706_4b50).u32(0).u64(here).u32(1);
        }
        let members = few.unwrap_or(u16::MAX);
        end.u32(0x0605_4b50).u16(0).u16(0).u16(members).u16(members);
        end.u32(short(length)).u32(short(start)).u16(0);
        end.0
    }
}

impl Member {
    fn version(&self) -> u16 {
        if self.zip64 { NEEDS_ZIP64 } else { PLAIN }
    }

    /// Writes the object's entry in the directory.
    fn enter(&self, crc: u32, directory: &mut Vec<u8>) {
        let mut wide = Record(Vec::new());
        if self.zip64 {
            wide.u64(self.length).u64(self.length);
        }
        if is_long(self.start) {
            wide.u64(self.start);
        }
        let wide = wide.0;
        let (version, extra) = match wide.len() {
            0 => (PLAIN, 0),
            length => (NEEDS_ZIP64, 4 + length as u16),
        };
        let size = if self.zip64 {
            ELSEWHERE
        } else {
            self.length as u32
        };
        let kind = if self.name.ends_with('/') {
            FOLDER
        } else {
            FILE
        };
        let mut entry = Record::new(0x0201_4b50);
        entry.u16(MADE_BY).u16(version).u16(FLAGS).u16(STORED);
        entry.u16(self.stamp.time).u16(self.stamp.date).u32(crc);
        entry
            .u32(size)
            .u32(size)
            .u16(self.name.len() as u16)
            .u16(extra);
        entry.u16(0).u16(0).u16(0).u32(kind).u32(short(self.start));
        entry.text(&self.name);
        if !wide.is_empty() {
            entry.u16(ZIP64_FIELD).u16(wide.len() as u16);
        }
        directory.extend(entry.0);
        directory.extend(wide);
    }
}

fn is_long(number: u64) -> bool {
    number >= u64::from(ELSEWHERE)
}

/// A number, or what says that it is elsewhere.
fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

impl Stamp {
    /// In UTC, by two seconds; DOS knows the years 1980 to 2107.
    fn of(modified: Timestamp) -> Self {
        let time = OffsetDateTime::from_unix_timestamp((modified.0 / 1_000).cast_signed());
        let Ok(time) = time.map(|time| time.clamp(EARLIEST, LATEST)) else {
            return Self::of(Timestamp(0));
        };
        let clock = u16::from(time.hour()) << 11 | u16::from(time.minute()) << 5;
        let year = (time.year() - 1980).cast_unsigned() as u16;
        let day = u16::from(u8::from(time.month())) << 5 | u16::from(time.day());
        Self {
            time: clock | u16::from(time.second() / 2),
            date: year << 9 | day,
        }
    }
}

const EARLIEST: OffsetDateTime = time::macros::datetime!(1980-01-01 0:00 UTC);
const LATEST: OffsetDateTime = time::macros::datetime!(2107-12-31 23:59:58 UTC);

/// Numbers in a row, the lowest byte first.
struct Record(Vec<u8>);

impl Record {
    fn new(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend(text.as_bytes());
        self
    }
}

#[cfg(test)]
mod tests;
