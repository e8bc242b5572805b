//! What objects, parts and stored blobs name.

use std::collections::HashMap;

use crate::blob::slices::{cut, total};
use crate::format::rows::{Doomed, Row, Slices, Table, blob_of_slices, slices_end};
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::object::{Blob, BlobId, Object, Part, Piece, SpanId, SpanSlice};
use crate::totals::Totals;

/// What is named of a span.
#[derive(Debug, Default, Clone, Copy)]
pub struct NamedSpan {
    pub slices: u64,
    /// The end of the slice that reaches farthest, in bytes of the span.
    pub end: u64,
}

/// Everything that is named, counted.
#[derive(Default)]
pub struct Names {
    pub spans: HashMap<SpanId, NamedSpan>,
    /// How many objects, parts and pieces have a stored blob; 0 for one that is only still to be released.
    pub blobs: HashMap<BlobId, u64>,
    pub totals: Totals,
}

impl Names {
    /// Walks all that names anything. Rows that cannot be decoded name nothing.
    pub fn read(reader: &Reader) -> Result<Self, IndexError> {
        let mut names = Self::default();
        let mut rows = reader.cursor(Table::Objects)?;
        while let Some((_, value)) = rows.next()? {
            if let Ok(object) = Object::decode(&value) {
                names.totals.objects += 1;
                names.totals.object_bytes += object.size;
                names.note(&object.blob);
            }
        }
        let mut rows = reader.cursor(Table::Uploads)?;
        while rows.next()?.is_some() {
            names.totals.uploads += 1;
        }
        names.read_parts(reader)?;
        let mut rows = reader.cursor(Table::Slices)?;
        while let Some((row, value)) = rows.next()? {
            names.blobs.entry(blob_of_slices(&row)?).or_default();
            if let Ok(Slices(slices)) = Slices::decode(&value) {
                names.count(&slices);
            }
        }
        Ok(names)
    }

    fn read_parts(&mut self, reader: &Reader) -> Result<(), IndexError> {
        let mut rows = reader.cursor(Table::Parts)?;
        while let Some((row, value)) = rows.next()? {
            let Ok(part) = Part::decode(&value) else {
                continue;
            };
            self.note(&part.blob);
            // Those of an upload that is gone are not counted any more.
            let upload =
                crate::object::UploadId(String::from_utf8_lossy(&row[..row.len() - 2]).into());
            let doomed = Doomed::Upload(upload).key();
            if reader.get(Table::Doomed, &doomed)?.is_none() {
                self.totals.part_bytes += part.size;
            }
        }
        Ok(())
    }

    fn note(&mut self, blob: &Blob) {
        match blob {
            Blob::Inline(slices) => self.count(slices),
            Blob::Stored(id) => *self.blobs.entry(*id).or_default() += 1,
            Blob::Pieces(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Slice(slice) => self.count(std::slice::from_ref(slice)),
                        Piece::Stored { blob, .. } => *self.blobs.entry(blob.id).or_default() += 1,
                    }
                }
            }
        }
    }

    fn count(&mut self, slices: &[SpanSlice]) {
        for slice in slices {
            let named = self.spans.entry(slice.span).or_default();
            named.slices += 1;
            named.end = named.end.max(slice.offset + slice.length);
        }
    }
}

/// The length of a blob, and the slices of it.
pub fn slices_of(reader: &Reader, blob: &Blob) -> Result<(u64, Vec<SpanSlice>), IndexError> {
    match blob {
        Blob::Inline(slices) => Ok((total(slices), slices.clone())),
        Blob::Stored(id) => stored_slices(reader, *id),
        Blob::Pieces(pieces) => {
            let mut all = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Slice(slice) => all.push(*slice),
                    Piece::Stored { blob, range } => {
                        let (_, slices) = stored_slices(reader, blob.id)?;
                        all.extend(cut(&slices, range.clone()));
                    }
                }
            }
            Ok((total(&all), all))
        }
    }
}

fn stored_slices(reader: &Reader, id: BlobId) -> Result<(u64, Vec<SpanSlice>), IndexError> {
    let prefix = crate::format::rows::blob_key(id);
    let (mut length, mut all) = (0, Vec::new());
    let mut rows = reader.cursor(Table::Slices)?;
    rows.seek(prefix.clone());
    while let Some((row, value)) = rows.next()? {
        if !row.starts_with(&prefix) {
            break;
        }
        length = slices_end(&row)?;
        all.extend(Slices::decode(&value)?.0);
    }
    Ok((length, all))
}
