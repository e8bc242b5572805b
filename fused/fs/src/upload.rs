//! How a changed file becomes an object again.

use std::ops::Range;

use crate::stage::Stage;

/// Files up to this many bytes are stored whole, in one request.
pub const WHOLE: u64 = 8 << 20;

/// Files up to this many bytes are stored whole whatever changed of them: the object stays in one
/// piece, and its ETag is one that other programs can compute.
const SMALL: u64 = 64 << 10;

/// Length of a part, at least, in bytes. S3 asks for 5 MiB; 10,000 parts have to make the largest file.
pub const PART: u64 = 6 << 20;
/// Longest range that one request copies, as in S3: 5 GiB, less than a part.
const MAX_COPY: u64 = 4 << 30;

/// A part of an object to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartPlan {
    /// Its bytes are sent.
    Send(Range<u64>),
    /// Its bytes are the same range of the object as it is.
    Copy(Range<u64>),
}

/// What has to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The object is as the file is.
    Nothing,
    /// Its bytes are; what is stored with them is not.
    Headers,
    /// All bytes.
    Whole,
    /// These ranges are written into the object; the rest of it stays, as far as the file reaches.
    Patch(Vec<Range<u64>>),
    /// The object is made anew, in parts.
    Parts(Vec<PartPlan>),
}

impl Plan {
    /// How many bytes have to be sent of a file that has `size` bytes.
    pub fn bytes(&self, size: u64) -> u64 {
        let length = |range: &Range<u64>| range.end - range.start;
        match self {
            Self::Nothing | Self::Headers => 0,
            Self::Whole => size,
            Self::Patch(ranges) => ranges.iter().map(length).sum(),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    PartPlan::Send(range) => length(range),
                    PartPlan::Copy(_) => 0,
                })
                .sum(),
        }
    }
}

/// Decides. `patches`: the server can write into objects. `headers`: what is stored beside the bytes
/// changed.
pub fn plan(stage: &Stage, headers: bool, patches: bool) -> Plan {
    if !stage.is_changed() {
        return if headers {
            Plan::Headers
        } else {
            Plan::Nothing
        };
    }
    let changes = stage.changes();
    let size = stage.size();
    let shrinks = stage.base().is_some_and(|base| base.size > size);
    let travels = changes.total();
    let is_large = size > SMALL && travels < size;
    if patches && is_large && stage.base().is_some() && !shrinks && travels <= WHOLE {
        return Plan::Patch(changes.iter().collect());
    }
    if size <= WHOLE {
        return Plan::Whole;
    }
    Plan::Parts(parts(stage))
}

fn parts(stage: &Stage) -> Vec<PartPlan> {
    let size = stage.size();
    let changes = stage.changes();
    let mut parts: Vec<PartPlan> = Vec::new();
    let ranges = (1..).map(part).take_while(|range| range.start < size);
    for range in ranges {
        let range = range.start..range.end.min(size);
        let changed = changes
            .split(range.clone())
            .iter()
            .any(|(_, within)| *within);
        match parts.last_mut() {
            Some(PartPlan::Copy(before)) if !changed && range.end - before.start <= MAX_COPY => {
                before.end = range.end;
            }
            _ if changed => parts.push(PartPlan::Send(range)),
            _ => parts.push(PartPlan::Copy(range)),
        }
    }
    parts
}

/// The bytes that part `number` of a file has, counted from 1, wherever the file ends: 6 MiB, and
/// twice that for each 1,000 parts before, so that 10,000 parts make the largest file.
pub fn part(number: u16) -> Range<u64> {
    const STEP: u64 = 1000;
    let before = u64::from(number - 1);
    let (doublings, rest) = (before / STEP, before % STEP);
    let length = PART << doublings;
    // The steps before have 1, 2, 4 and so on times STEP parts' worth.
    let start = STEP * PART * ((1 << doublings) - 1) + rest * length;
    start..start + length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stage::Base;

    fn stage(size: u64) -> Stage {
        Stage::new(Some(Base {
            etag: String::new(),
            size,
        }))
    }

    #[test]
    fn little_travels_when_little_changed() {
        const SIZE: u64 = 100 * PART;
        let mut file = stage(SIZE);
        assert_eq!(plan(&file, false, true), Plan::Nothing);
        assert_eq!(plan(&file, true, true), Plan::Headers);
        file.write(4096..8192);
        file.write(SIZE..SIZE + 10);
        let ranges = vec![4096..8192, SIZE..SIZE + 10];
        assert_eq!(plan(&file, true, true), Plan::Patch(ranges));
        let Plan::Parts(parts) = plan(&file, false, false) else {
            panic!("parts are all that plain S3 has for it")
        };
        let expected = [
            PartPlan::Send(0..PART),
            PartPlan::Copy(PART..SIZE),
            PartPlan::Send(SIZE..SIZE + 10),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn small_and_new_files_are_stored_whole() {
        let mut file = Stage::new(None);
        assert_eq!(plan(&file, false, true), Plan::Whole);
        file.write(0..WHOLE);
        assert_eq!(plan(&file, false, true), Plan::Whole);
        let mut shorter = stage(WHOLE * 3);
        shorter.resize(7);
        assert_eq!(plan(&shorter, false, true), Plan::Whole);
    }

    #[test]
    fn parts_follow_one_another_up_to_the_largest_file() {
        let mut at = 0;
        for number in 1..=10_000 {
            let range = part(number);
            assert_eq!(range.start, at);
            assert!(range.end - range.start <= 5 << 30);
            at = range.end;
        }
        assert!(at > 5 << 40);
    }

    proptest! {
        #[test]
        fn parts_cover_the_file_and_keep_to_the_limits(
            size in WHOLE + 1..5_u64 << 40,
            writes in prop::collection::vec((0..1000_u64, 1..1_u64 << 24), 0..8),
            base in 0..1500_u64,
        ) {
            let mut file = stage(size / 1000 * base);
            file.resize(size);
            for (at, length) in writes {
                let start = size / 1000 * at;
                file.write(start..(start + length).min(size));
            }
            let parts = parts(&file);
            prop_assert!(parts.len() <= 10_000);
            let mut at = 0;
            let changes = file.changes();
            for (n, part) in parts.iter().enumerate() {
                let (PartPlan::Send(range) | PartPlan::Copy(range)) = part;
                prop_assert_eq!(range.start, at);
                let length = range.end - range.start;
                prop_assert!(n + 1 == parts.len() || length >= 5 << 20);
                prop_assert!(length <= 5 << 30);
                if let PartPlan::Copy(range) = part {
                    prop_assert!(changes.split(range.clone()).iter().all(|(_, within)| !within));
                }
                at = range.end;
            }
            prop_assert_eq!(at, size);
        }
    }
}
