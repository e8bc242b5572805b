//! Spans in the order in which they lie in the data zone.
//!
//! A span's id is where it was first written. Those that were moved since are found through the
//! moved table, by where they lie now.

use crate::format::rows::{MovedSpan, Row, Span, Table, offset_key, offset_of, span_id, span_key};
use crate::index::IndexError;
use crate::index::cursor::Cursor;
use crate::index::reader::Reader;
use crate::object::SpanId;

/// Walks spans by their offsets, those marked freed too.
pub struct SpansByOffset<'r> {
    originals: Cursor<'r>,
    moved: Cursor<'r>,
    /// Looks up what the moved table names.
    lookup: Cursor<'r>,
    next_original: Option<(SpanId, Span)>,
    next_moved: Option<(SpanId, Span)>,
}

impl<'r> SpansByOffset<'r> {
    /// Begins at the first span that begins at or behind `offset`. Not by way of the row cache:
    /// nobody else asks for these rows.
    pub fn from(reader: &'r Reader, offset: u64) -> Result<Self, IndexError> {
        let mut spans = Self {
            originals: reader.cursor(Table::Spans)?,
            moved: reader.cursor(Table::Moved)?,
            lookup: reader.cursor(Table::Spans)?,
            next_original: None,
            next_moved: None,
        };
        spans.seek(offset)?;
        Ok(spans)
    }

    /// Goes on at the first span that begins at or behind `offset`.
    pub fn seek(&mut self, offset: u64) -> Result<(), IndexError> {
        self.originals.seek(span_key(SpanId(offset)));
        self.moved.seek(offset_key(offset));
        self.advance_originals()?;
        self.advance_moved()
    }

    /// The next span.
    pub fn next(&mut self) -> Result<Option<(SpanId, Span)>, IndexError> {
        let original_first = match (&self.next_original, &self.next_moved) {
            (Some((_, original)), Some((_, moved))) => original.offset <= moved.offset,
            (original, _) => original.is_some(),
        };
        if original_first {
            let next = self.next_original.take();
            self.advance_originals()?;
            Ok(next)
        } else {
            let next = self.next_moved.take();
            self.advance_moved()?;
            Ok(next)
        }
    }

    fn advance_originals(&mut self) -> Result<(), IndexError> {
        self.next_original = None;
        while let Some((key, row)) = self.originals.next()? {
            let (id, span) = (span_id(&key)?, Span::decode(&row)?);
            if span.offset == id.0 {
                self.next_original = Some((id, span));
                break;
            }
        }
        Ok(())
    }

    fn advance_moved(&mut self) -> Result<(), IndexError> {
        self.next_moved = None;
        while let Some((key, row)) = self.moved.next()? {
            let MovedSpan(id) = MovedSpan::decode(&row)?;
            let offset = offset_of(&key)?;
            let wanted = span_key(id);
            self.lookup.seek(wanted.clone());
            let found = self.lookup.next()?.filter(|(key, _)| *key == wanted);
            // A view may meet rows of a change that is just made visible: then it is of either side.
            if let Some((_, row)) = found {
                let span = Span::decode(&row)?;
                if span.offset == offset {
                    self.next_moved = Some((id, span));
                    break;
                }
            }
        }
        Ok(())
    }
}
