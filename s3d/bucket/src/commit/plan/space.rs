//! What gives space back: spans that leave the index, and spans that move (B7, B8).

use super::{BatchPlanner, Planned};
use crate::commit::change::{Done, SpanMove, TrimmedSpan, UnitHoles};
use crate::commit::view::RowView;
use crate::format::layout::DATA_ZONE;
use crate::format::rows::{Freed, Holes, MovedSpan, Row, Span, Table, offset_key, span_key};
use crate::rules::{Rule, kept};

impl<V: RowView> BatchPlanner<'_, V> {
    pub(super) fn forget(&mut self, spans: &[TrimmedSpan], holes: &[UnitHoles]) -> Planned<Done> {
        for span in spans {
            let key = span_key(span.id);
            self.set(Table::Spans, key.clone(), None);
            self.set(Table::Freed, key, None);
            if span.offset != span.id.0 {
                self.set(Table::Moved, offset_key(span.offset), None);
            }
        }
        for unit in holes {
            let key = offset_key(unit.unit);
            let before = self.get::<Holes>(Table::Holes, &key)?;
            let before = before.map_or(0, |holes| holes.bytes);
            let bytes = before.saturating_sub(unit.counted) + unit.found;
            if bytes != before {
                let row = (bytes > 0).then(|| Holes { bytes }.encode());
                self.set(Table::Holes, key, row);
            }
        }
        Ok(Done::Nothing)
    }

    /// Writes spans anew (B6): those that were freed or moved since they were read stay as they are.
    pub(super) fn move_spans(&mut self, spans: &[SpanMove]) -> Planned<Done> {
        for SpanMove { id, from, body } in spans {
            let key = span_key(*id);
            let Some(span) = self.get::<Span>(Table::Spans, &key)? else {
                continue;
            };
            let freed = self.get::<Freed>(Table::Freed, &key)?.is_some();
            if (freed || span.offset != *from) && kept(Rule::ConditionalMove) {
                continue;
            }
            let offset = self.context.address - DATA_ZONE + self.group.body(body.clone());
            if *from != id.0 {
                self.set(Table::Moved, offset_key(*from), None);
            }
            let here = MovedSpan(*id).encode();
            self.set(Table::Moved, offset_key(offset), Some(here));
            self.set(Table::Spans, key, Some(Span { offset, ..span }.encode()));
        }
        Ok(Done::Nothing)
    }
}
