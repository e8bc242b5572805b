//! What the file system itself knows of a data file.

use std::fs::File;
use std::ops::Range;

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use volumed_core::sums::{HOLE, SumsPage, sum};
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, REGION_SIZE, RegionIndex};

const BLOCK: usize = BLOCK_SIZE as usize;

/// Completes the sums that the file of a dirty region has: they are stored long after its blocks were
/// written, so a block of which the file system holds something takes space whatever its sum says.
/// Which sum it gets means nothing.
pub(crate) fn count_written(
    data: &File,
    region: RegionIndex,
    page: &mut SumsPage,
) -> std::io::Result<()> {
    let start = region.0 * REGION_SIZE % EXTENT_SIZE;
    for run in written(data, start..start + REGION_SIZE)? {
        let first = (run.start - start) as usize / BLOCK;
        let end = ((run.end - start) as usize).div_ceil(BLOCK);
        for mark in page[first..end].iter_mut().filter(|mark| **mark == HOLE) {
            *mark = sum(&[0; BLOCK]);
        }
    }
    Ok(())
}

/// The runs of a range that are no holes, in bytes. Space that was taken for zeroes and never written
/// counts as a hole.
fn written(data: &File, range: Range<u64>) -> std::io::Result<Vec<Range<u64>>> {
    let mut runs = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let start = match rustix::fs::seek(data, SeekFrom::Data(from)) {
            Ok(start) if start < range.end => start,
            // Nothing follows, or nothing in the range.
            Ok(_) | Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(data, SeekFrom::Hole(start))?.min(range.end);
        runs.push(start..end);
        from = end;
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use volumed_core::BLOCKS_PER_REGION;

    use super::*;

    #[test]
    fn what_was_written_takes_space_whatever_its_sum_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let options = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path);
        let data = options.expect("a file");
        data.set_len(EXTENT_SIZE).expect("its length");
        // Zeroes, too; the last block of the region before, and the first of the one behind.
        for block in [1023, 1024, 1027, 1028, 2047, 2048] {
            data.write_all_at(&[0; BLOCK], block * BLOCK_SIZE)
                .expect("written");
        }
        let mut page = [HOLE; BLOCKS_PER_REGION];
        (page[3], page[7]) = (5, 6);
        // The second extent's: the place counts within the extent.
        count_written(&data, RegionIndex(17), &mut page).expect("counted");
        let taken: Vec<_> = (0..BLOCKS_PER_REGION)
            .filter(|&at| page[at] != HOLE)
            .collect();
        assert_eq!(taken, [0, 3, 4, 7, 1023]);
        assert_eq!((page[3], page[7]), (5, 6));
    }
}
