//! What lies where a volume is damaged: what `s3d bucket damage` does.

use super::report::{CheckReport, Problem};
use super::{Opened, close_index, open, read_log, references};
use crate::bucket::Devices;
use crate::errors::OpenError;
use crate::format::layout::{DATA_ZONE, FOLD_RESERVE, FOLD_RESERVE_FOR_ROWS, INDEX_ZONE, MAX_SPAN};
use crate::format::rows::{Table, span_key};
use crate::format::superblock::BucketId;
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::SpanId;
use crate::offload::Offload;
use crate::space::by_offset::SpansByOffset;
use std::collections::HashMap;
use std::ops::Range;

/// Names what lies in `ranges` of the volume of a bucket that nobody has open: objects by their keys,
/// and what the bucket itself is made of. Changes nothing, and reads no object.
pub async fn damage(
    devices: Devices,
    id: BucketId,
    offload: Offload,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<Problem>, OpenError> {
    let mut report = CheckReport::default();
    let mut in_data = Vec::new();
    for range in ranges {
        match structure(range.start) {
            Some(what) => {
                let (start, end) = (range.start, range.end);
                report.note(None, format!("{what} is damaged from {start} to {end}"));
            }
            None => in_data.push(range),
        }
    }
    if in_data.is_empty() {
        return Ok(report.problems);
    }
    match open(devices, id, offload).await {
        Ok((Ok(Opened { index, applied, .. }), data)) => {
            let noted = read_log(&index, &data, applied, &mut report).await;
            let read = move |reader: &_| lying_in(reader, &in_data);
            let found = index.read_at_one_moment(read).await;
            close_index(&index).await;
            noted?;
            let found = found.map_err(|error| OpenError::Index(error.to_string()))?;
            note(found, &mut report);
        }
        Ok((Err(IndexError(why)), _)) => {
            report.note(
                None,
                format!("keys cannot be named: the index cannot be opened: {why}"),
            );
        }
        Err(error) => return Err(error),
    }
    Ok(report.problems)
}

/// What the bucket keeps at an address below its data.
fn structure(address: u64) -> Option<&'static str> {
    match address {
        _ if address < FOLD_RESERVE.start => Some("the superblock"),
        _ if address < INDEX_ZONE => Some("the reserve, which holds nothing,"),
        _ if address < FOLD_RESERVE_FOR_ROWS.start => Some("the index"),
        _ if address < DATA_ZONE => Some("the reserve, which holds nothing,"),
        _ => None,
    }
}

/// What was found to lie in damaged ranges of the data zone.
struct Found {
    /// Keys, each with the first damaged address of one of its spans.
    keys: Vec<(String, u64)>,
    /// Ranges in which no object has bytes.
    others: Vec<Range<u64>>,
}

fn lying_in(reader: &Reader, ranges: &[Range<u64>]) -> Result<Found, IndexError> {
    let mut damaged: HashMap<SpanId, u64> = HashMap::new();
    let mut others = Vec::new();
    let mut spans = SpansByOffset::from(reader, 0)?;
    for range in ranges {
        let (start, end) = (range.start - DATA_ZONE, range.end - DATA_ZONE);
        let mut used = false;
        spans.seek(start.saturating_sub(MAX_SPAN))?;
        while let Some((id, span)) = spans.next()?.filter(|(_, span)| span.offset < end) {
            let freed = reader.get(Table::Freed, &span_key(id))?.is_some();
            if span.offset + span.length > start && !freed {
                damaged.entry(id).or_insert(range.start);
                used = true;
            }
        }
        if !used {
            others.push(range.clone());
        }
    }
    let keys = references::keys_of(reader, &damaged)?.into_iter().collect();
    Ok(Found { keys, others })
}

fn note(found: Found, report: &mut CheckReport) {
    for (key, address) in found.keys {
        report.note(Some(key), format!("bytes of it are damaged at {address}"));
    }
    for range in found.others {
        let (start, end) = (range.start, range.end);
        let what = "no object has bytes there: it is the log's, or of what was deleted";
        report.note(
            None,
            format!("the volume is damaged from {start} to {end}; {what}"),
        );
    }
}
