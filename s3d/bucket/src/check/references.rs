//! The rows of the index against each other.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::CHECKED_RUN;
use crate::check::guarded;
use crate::check::names::{Names, slices_of};
use crate::check::report::CheckReport;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{
    Doomed, MAX_TOKENS, Row, Shares, Span, Table, Tokens, blob_key, part_number, span_id, span_key,
    split_upload_key, tokens_key,
};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::{Blob, Object, Part, SpanId, Upload, UploadId};
use crate::space::by_offset::SpansByOffset;
use crate::space::gaps::blocks_of;
use crate::totals::Totals;

/// Walks every table. Answers the spans that are named, too, if `deep`. An index that cannot be
/// read to its end is a problem like any other, unless it is only out of reach.
pub fn walk(
    reader: &Reader,
    mark: u64,
    deep: bool,
    mut report: CheckReport,
) -> Result<(CheckReport, Vec<(SpanId, Span)>), IndexError> {
    let mut spans = Vec::new();
    let walked = guarded(|| {
        let names = Names::read(reader)?;
        objects(reader, &mut report)?;
        check_redirect(reader, &mut report)?;
        uploads(reader, &mut report)?;
        check_spans(reader, &names, deep.then_some(&mut spans), &mut report)?;
        check_blobs(reader, &names, &mut report)?;
        check_places(reader, mark, &mut report)?;
        check_tokens(reader, &mut report)?;
        missing(reader, &names, &mut report)
    });
    if let Err(error) = walked {
        if reader.is_cut_off() {
            return Err(error);
        }
        report.note(None, format!("the index cannot be read: {error}"));
    }
    Ok((report, spans))
}

fn objects(reader: &Reader, report: &mut CheckReport) -> Result<(), IndexError> {
    let mut rows = reader.cursor(Table::Objects)?;
    while let Some((row, value)) = rows.next()? {
        let key = String::from_utf8_lossy(&row).into_owned();
        report.objects += 1;
        match Object::decode(&value) {
            Ok(object) => {
                report.object_bytes += object.size;
                let (held, _) = slices_of(reader, &object.blob)?;
                if object.size != held {
                    let size = object.size;
                    let what = format!("it has {size} bytes and names {held}");
                    report.note(Some(key), what);
                }
            }
            Err(error) => report.note(Some(key), error.to_string()),
        }
    }
    Ok(())
}

/// Every row of an object is one that a key leads to (B10).
fn check_redirect(reader: &Reader, report: &mut CheckReport) -> Result<(), IndexError> {
    let mut rows = 0;
    for table in [Table::Objects, Table::Arrivals] {
        let mut cursor = reader.row_cursor(table)?;
        while cursor.next()?.is_some() {
            rows += 1;
        }
    }
    if rows != report.objects {
        let hidden = rows - report.objects;
        let what = format!("{hidden} objects lie where no key leads while a prefix is renamed");
        report.note(None, what);
    }
    Ok(())
}

fn uploads(reader: &Reader, report: &mut CheckReport) -> Result<(), IndexError> {
    let mut known = HashMap::new();
    let mut rows = reader.cursor(Table::Uploads)?;
    while let Some((row, value)) = rows.next()? {
        report.uploads += 1;
        let (key, id) = split_upload_key(&row)?;
        if let Err(error) = Upload::decode(&value) {
            report.note(Some(key.clone()), format!("its upload: {error}"));
        }
        known.insert(id.0.into_bytes(), key);
    }
    let mut rows = reader.cursor(Table::Parts)?;
    while let Some((row, value)) = rows.next()? {
        report.parts += 1;
        let number = part_number(&row)?;
        let key = known.get(&row[..row.len() - 2]).cloned();
        let doomed = Doomed::Upload(UploadId(
            String::from_utf8_lossy(&row[..row.len() - 2]).into(),
        ));
        if key.is_none() && reader.get(Table::Doomed, &doomed.key())?.is_none() {
            report.note(None, format!("a part {number} belongs to no upload"));
        }
        match Part::decode(&value) {
            Ok(part) => {
                report.part_bytes += part.size;
            }
            Err(error) => report.note(key, format!("part {number}: {error}")),
        }
    }
    Ok(())
}

/// Every span against what names it.
fn check_spans(
    reader: &Reader,
    names: &Names,
    mut live: Option<&mut Vec<(SpanId, Span)>>,
    report: &mut CheckReport,
) -> Result<(), IndexError> {
    let freed = freed(reader, report)?;
    let mut seen = 0;
    let mut rows = reader.cursor(Table::Spans)?;
    while let Some((row, value)) = rows.next()? {
        let id = span_id(&row)?;
        let span = match Span::decode(&value) {
            Ok(span) => span,
            Err(error) => {
                report.note(None, format!("span {}: {error}", id.0));
                continue;
            }
        };
        let mut wrong = |what: String| report.note(None, format!("span {}: {what}", id.0));
        if span.sums.len() as u64 != span.length.div_ceil(CHECKED_RUN) {
            wrong(format!(
                "{} checksums for {} bytes",
                span.sums.len(),
                span.length
            ));
        }
        match (names.spans.get(&id), freed.contains(&id)) {
            (None, true) => seen += 1,
            (None, false) => wrong("nothing names it, and it is not freed".into()),
            (Some(_), true) => wrong("it is freed, and named all the same".into()),
            (Some(named), false) => {
                if named.end > span.length {
                    wrong(format!(
                        "named up to {} of {} bytes",
                        named.end, span.length
                    ));
                }
                let shares = shares(reader, Table::Shares, &row)?;
                if named.slices != shares {
                    let found = named.slices;
                    wrong(format!("{found} slices name it, {shares} are counted"));
                }
                report.spans += 1;
                report.span_bytes += span.length;
                if let Some(live) = &mut live {
                    live.push((id, span));
                }
            }
        }
    }
    if seen != freed.len() {
        report.note(None, "a span is freed that is not there".into());
    }
    Ok(())
}

/// How many name what has this key, by the count.
fn shares(reader: &Reader, table: Table, key: &[u8]) -> Result<u64, IndexError> {
    let row = reader.get(table, key)?;
    let shares = row.map(|row| Shares::decode(&row)).transpose()?;
    Ok(shares.map_or(1, |Shares(count)| count))
}

/// Every stored blob against the objects that have it, and the totals.
fn check_blobs(reader: &Reader, names: &Names, report: &mut CheckReport) -> Result<(), IndexError> {
    for (id, found) in &names.blobs {
        let key = blob_key(*id);
        let doomed = reader
            .get(Table::Doomed, &Doomed::Blob(*id).key())?
            .is_some();
        let counted = if doomed {
            0
        } else {
            shares(reader, Table::BlobShares, &key)?
        };
        if *found != counted {
            let id = id.0;
            report.note(
                None,
                format!("blob {id}: {found} have it, {counted} are counted"),
            );
        }
    }
    let row = reader.get(Table::Totals, &[])?;
    let kept = row
        .map(|row| Totals::decode(&row))
        .transpose()?
        .unwrap_or_default();
    if kept != names.totals {
        let counted = names.totals;
        report.note(
            None,
            format!("totals are {kept:?}, counted were {counted:?}"),
        );
    }
    Ok(())
}

fn freed(reader: &Reader, report: &mut CheckReport) -> Result<HashSet<SpanId>, IndexError> {
    let mut freed = HashSet::new();
    let mut rows = reader.cursor(Table::Freed)?;
    while let Some((row, _)) = rows.next()? {
        freed.insert(span_id(&row)?);
    }
    report.freed_spans = freed.len() as u64;
    Ok(freed)
}

/// Where spans lie: in the data zone, below the mark, over no other; and the blocks they hold.
fn check_places(reader: &Reader, mark: u64, report: &mut CheckReport) -> Result<(), IndexError> {
    let mut spans = SpansByOffset::from(reader, 0)?;
    let (mut end, mut blocks_end) = (0, DATA_ZONE);
    let mut walked = 0;
    while let Some((id, span)) = spans.next()? {
        walked += 1;
        if span.offset < end {
            report.note(None, format!("span {} lies over another", id.0));
        }
        end = span.offset + span.length;
        if DATA_ZONE + end > mark {
            report.note(None, format!("span {} lies beyond the mark", id.0));
        }
        let blocks = blocks_of(&span);
        report.block_bytes += blocks.end - blocks.start.max(blocks_end).min(blocks.end);
        blocks_end = blocks_end.max(blocks.end);
    }
    if walked != report.spans + report.freed_spans && report.is_sound() {
        let what = "spans were moved to where the table of moved spans does not have them";
        report.note(None, what.into());
    }
    Ok(())
}

/// Every remembered token in the row in which it is looked for.
fn check_tokens(reader: &Reader, report: &mut CheckReport) -> Result<(), IndexError> {
    let mut rows = reader.cursor(Table::Tokens)?;
    while let Some((row, value)) = rows.next()? {
        match Tokens::decode(&value) {
            Ok(Tokens(held)) if held.len() > MAX_TOKENS => {
                report.note(None, format!("a row remembers {} tokens", held.len()));
            }
            Ok(Tokens(held)) => {
                if held.iter().any(|used| tokens_key(&used.token) != row) {
                    report.note(None, "a token is remembered in another's row".into());
                }
            }
            Err(error) => report.note(None, format!("the tokens: {error}")),
        }
    }
    Ok(())
}

/// What is named and not there, by key.
fn missing(reader: &Reader, names: &Names, report: &mut CheckReport) -> Result<(), IndexError> {
    let mut absent = HashSet::new();
    let mut rows = reader.cursor(Table::Spans)?;
    for id in names.spans.keys() {
        let wanted = span_key(*id);
        rows.seek(wanted.clone());
        if rows.next()?.is_none_or(|(row, _)| row != wanted) {
            absent.insert(*id);
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    let absent = absent
        .into_iter()
        .map(|id| (id, DATA_ZONE + id.0))
        .collect();
    for (key, address) in keys_of(reader, &absent)? {
        report.note(
            Some(key),
            format!("a span of it is missing, written at {address}"),
        );
    }
    Ok(())
}

/// The keys of the objects and uploads that name any of these spans, each once, with what is said of
/// the span.
pub fn keys_of(
    reader: &Reader,
    spans: &HashMap<SpanId, u64>,
) -> Result<BTreeMap<String, u64>, IndexError> {
    let mut keys = BTreeMap::new();
    let mut note = |key: &[u8], blob: &Blob| {
        let (_, slices) = slices_of(reader, blob)?;
        if let Some(address) = slices.iter().find_map(|slice| spans.get(&slice.span)) {
            keys.insert(String::from_utf8_lossy(key).into_owned(), *address);
        }
        Ok::<_, IndexError>(())
    };
    let walked = (|| {
        let mut rows = reader.cursor(Table::Objects)?;
        while let Some((row, value)) = rows.next()? {
            if let Ok(object) = Object::decode(&value) {
                note(&row, &object.blob)?;
            }
        }
        let mut rows = reader.cursor(Table::Parts)?;
        while let Some((row, value)) = rows.next()? {
            if let Ok(part) = Part::decode(&value) {
                note(&row[..row.len() - 2], &part.blob)?;
            }
        }
        Ok::<_, IndexError>(())
    })();
    match walked {
        Err(error) if reader.is_cut_off() => Err(error),
        // What cannot be read was reported before.
        _ => Ok(keys),
    }
}
