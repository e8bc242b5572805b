//! Listings: keys in order, rolled up at a delimiter. Their cost follows the answer: a common
//! prefix is passed over with one seek, however many keys it holds.

use bytes::Bytes;

use crate::format::rows::{
    Row, RowError, Slices, Table, blob_key, slices_end, slices_key, split_upload_key, upload_key,
};
use crate::index::IndexError;
use crate::index::cursor::Cursor;
use crate::index::reader::Reader;
use crate::object::{BlobId, Key, Object, SpanSlice, Upload, UploadId};
use crate::requests::{ListEntry, ListPage, ListRequest, UploadPage};

/// The objects that `request` asks for; blocks on the index.
pub fn list(reader: &Reader, request: &ListRequest) -> Result<ListPage, IndexError> {
    let mut page = ListPage::default();
    let walk = Walk {
        prefix: &request.prefix,
        delimiter: request.delimiter.as_deref(),
    };
    let mut cursor = reader.cursor(Table::Objects)?;
    walk.begin(&mut cursor, request.after.as_deref());
    while let Some((row, value)) = cursor.next()? {
        let key = text(&row)?;
        if !key.starts_with(&request.prefix) {
            break;
        }
        if page.entries.len() == request.limit {
            page.next = page.entries.last().map(|entry| match entry {
                ListEntry::Object(key, _) => key.as_str().to_owned(),
                ListEntry::Prefix(prefix) => prefix.clone(),
            });
            break;
        }
        if let Some(common) = walk.common_prefix(key) {
            let common = common.to_owned();
            if !pass_over(&mut cursor, &common) {
                page.entries.push(ListEntry::Prefix(common));
                break;
            }
            page.entries.push(ListEntry::Prefix(common));
        } else {
            let key = Key::new(key).map_err(|error| IndexError(error.to_string()))?;
            page.entries
                .push(ListEntry::Object(key, Box::new(Object::decode(&value)?)));
        }
    }
    Ok(page)
}

/// The uploads under way; blocks on the index.
pub fn list_uploads(
    reader: &Reader,
    prefix: &str,
    delimiter: Option<&str>,
    after: Option<&(String, Option<UploadId>)>,
    limit: usize,
) -> Result<UploadPage, IndexError> {
    let mut page = UploadPage::default();
    let walk = Walk { prefix, delimiter };
    let mut cursor = reader.cursor(Table::Uploads)?;
    let mut last = None;
    match after {
        Some((key, Some(upload))) => {
            let key = Key::new(key.as_str()).map_err(|error| IndexError(error.to_string()))?;
            cursor.seek([&upload_key(&key, upload)[..], &[0]].concat().into());
        }
        // Behind every upload of that key: a row of it is the key, NUL and more.
        Some((key, None)) if walk.common_prefix(key) != Some(key) => {
            cursor.seek([key.as_bytes(), &[1]].concat().into());
        }
        other => walk.begin(&mut cursor, other.map(|(key, _)| key.as_str())),
    }
    while let Some((row, value)) = cursor.next()? {
        let (key, id) = split_upload_key(&row)?;
        if !row.starts_with(prefix.as_bytes()) {
            break;
        }
        if page.uploads.len() + page.prefixes.len() == limit {
            page.next = last;
            break;
        }
        if let Some(common) = walk.common_prefix(&key) {
            let common = common.to_owned();
            let more = pass_over(&mut cursor, &common);
            last = Some((common.clone(), None));
            page.prefixes.push(common);
            if !more {
                break;
            }
        } else {
            last = Some((key.clone(), Some(id.clone())));
            let key = Key::new(key).map_err(|error| IndexError(error.to_string()))?;
            page.uploads.push((key, id, Upload::decode(&value)?));
        }
    }
    Ok(page)
}

/// The parts of an upload by number; blocks on the index.
pub fn list_parts(
    reader: &Reader,
    upload: &UploadId,
) -> Result<Vec<(u16, crate::object::Part)>, IndexError> {
    let mut parts = Vec::new();
    let mut cursor = reader.cursor(Table::Parts)?;
    cursor.seek(Bytes::copy_from_slice(upload.0.as_bytes()));
    while let Some((row, value)) = cursor.next()? {
        if !row.starts_with(upload.0.as_bytes()) {
            break;
        }
        parts.push((
            crate::format::rows::part_number(&row)?,
            Row::decode(&value)?,
        ));
    }
    Ok(parts)
}

/// The row of a stored blob's slices that holds byte `at` of it, and where that row ends; blocks on
/// the index.
pub fn slices_from(
    reader: &Reader,
    blob: BlobId,
    at: u64,
) -> Result<Option<(u64, Vec<SpanSlice>)>, IndexError> {
    let mut cursor = reader.cursor(Table::Slices)?;
    cursor.seek(slices_key(blob, at + 1));
    let Some((row, value)) = cursor.next()? else {
        return Ok(None);
    };
    if !row.starts_with(&blob_key(blob)) {
        return Ok(None);
    }
    let Slices(slices) = Slices::decode(&value)?;
    Ok(Some((slices_end(&row)?, slices)))
}

struct Walk<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
}

impl Walk<'_> {
    fn begin(&self, cursor: &mut Cursor<'_>, after: Option<&str>) {
        match after.filter(|after| *after >= self.prefix) {
            // A common prefix stands for all its keys, which the page before has shown.
            Some(after) if self.common_prefix(after) == Some(after) => {
                pass_over(cursor, after);
            }
            Some(after) => cursor.seek([after.as_bytes(), &[0]].concat().into()),
            None => cursor.seek(Bytes::copy_from_slice(self.prefix.as_bytes())),
        }
    }

    /// What `key` is rolled up to, if it is.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty())?;
        let rest = key.strip_prefix(self.prefix)?;
        let at = rest.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }
}

/// Goes on behind every key that starts with `common`; false when there can be none.
fn pass_over(cursor: &mut Cursor<'_>, common: &str) -> bool {
    // No UTF-8 text has the byte 0xff, so raising the last byte never carries.
    let mut behind = common.as_bytes().to_vec();
    match behind.last_mut() {
        Some(last) => *last += 1,
        None => return false,
    }
    cursor.seek(behind.into());
    true
}

fn text(row: &[u8]) -> Result<&str, RowError> {
    std::str::from_utf8(row).map_err(|_| RowError::Damaged)
}
