//! Writing bytes into the page cache, and durably.

use std::fs::File;
use std::io::{Error, ErrorKind, IoSlice};

use rustix::io::{Errno, ReadWriteFlags};

use crate::open::copied_nothing;

/// What one call writes into the page cache, in bytes. The kernel takes as large a folio as a call
/// fills, and ext4 walks all of a folio's blocks whenever one of them is written later: random writes into
/// folios of 1 MiB took three times as long as into these, long ones gain little by more.
const PIECE: u64 = 256 << 10;

/// Writes into the page cache.
pub(crate) fn write(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    write_by(bytes, offset, |bytes, at| {
        let piece = (PIECE - at % PIECE) as usize;
        rustix::io::pwrite(file, &bytes[..piece.min(bytes.len())], at)
    })
}

/// Writes and syncs only these bytes, which costs less than a sync of the file.
pub(crate) fn write_durably(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    let durable = |bytes: &[u8], at| {
        let slices = [IoSlice::new(bytes)];
        rustix::io::pwritev2(file, &slices, at, ReadWriteFlags::DSYNC)
    };
    let plain = |bytes: &[u8], at| rustix::io::pwrite(file, bytes, at);
    write_durably_by(bytes, offset, durable, plain)
}

/// V8: ENOSPC and ENOMEM of a durable write may be those of its copy into the page cache, which
/// refuses it, or those of the sync behind it, which tells then, once, that bytes are lost. Only a
/// plain write, which syncs nothing, says which: what it refuses was refused before.
fn write_durably_by(
    bytes: &[u8],
    offset: u64,
    mut durable: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
    mut plain: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
) -> std::io::Result<()> {
    let mut lost = false;
    let written = write_by(bytes, offset, |bytes, at| match durable(bytes, at) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::NOMEM)) => {
            let refused = plain(bytes, at);
            lost |= refused.is_ok();
            refused.and(Err(errno))
        }
        written => written,
    });
    match written {
        Err(error) if lost => Err(failed_sync(&error)),
        written => written,
    }
}

/// The error of a sync, which is not to be taken for a refusal by its number.
pub(crate) fn failed_sync(error: &Error) -> Error {
    Error::other(format!("a sync failed: {error}"))
}

fn write_by(
    mut bytes: &[u8],
    mut offset: u64,
    mut write: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
) -> std::io::Result<()> {
    let mut begun = false;
    while !bytes.is_empty() {
        match write(bytes, offset) {
            Ok(0) => return Err(Error::from(ErrorKind::WriteZero)),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
                begun = true;
            }
            Err(Errno::INTR) => {}
            Err(errno) if begun => return Err(errno.into()),
            Err(errno) => return Err(copied_nothing(errno)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::is_exhausted;

    fn durably(durable: Result<usize, Errno>, plain: Result<usize, Errno>) -> std::io::Result<()> {
        write_durably_by(&[7; 8], 0, |_, _| durable, |_, _| plain)
    }

    #[test]
    fn a_write_that_was_refused_says_so() {
        durably(Ok(8), Err(Errno::IO)).expect("written");
        let full = durably(Err(Errno::NOSPC), Err(Errno::NOSPC)).expect_err("refused");
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        let wanting = durably(Err(Errno::NOMEM), Err(Errno::NOMEM)).expect_err("refused");
        assert!(is_exhausted(&wanting));
    }

    #[test]
    fn a_sync_that_tells_of_a_full_disk_is_a_failed_sync() {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::NOMEM] {
            // The copy found room: so it was the sync that did not, for these bytes or earlier ones.
            for copied in [8, 3] {
                let lost = durably(Err(errno), Ok(copied)).expect_err("bytes are lost");
                assert_eq!(lost.kind(), ErrorKind::Other, "{lost}");
                assert!(!is_exhausted(&lost));
            }
        }
    }

    #[test]
    fn want_of_memory_half_way_is_not_taken_for_a_write_that_changed_nothing() {
        let mut answers = [Ok(3), Err(Errno::NOMEM)].into_iter();
        let torn = write_by(&[7; 8], 0, |_, _| answers.next().expect("two writes"));
        assert!(!is_exhausted(&torn.expect_err("torn")));
    }
}
