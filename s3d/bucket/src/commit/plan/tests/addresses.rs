//! No address is given out twice (B8).

use super::*;
use crate::format::layout::BLOCK;

#[test]
fn a_group_that_is_too_long_names_what_is_not_its_own() {
    let mut rows = Rows::new();
    rows.context.room = 2 * BLOCK;
    let behind = SpanId(2 * BLOCK);
    let span = Span {
        offset: behind.0,
        length: 1,
        sums: vec![0],
    };
    let row = (Table::Spans, span_key(behind));
    rows.fixed.0.insert(row, span.encode());
    let changes = ["a", "b"].map(|name| put(name, BLOCK as usize));
    let planned = plan(&changes, [], &rows.fixed, rows.context).unwrap();
    assert!(planned.group.length() > rows.context.room);
}

#[test]
fn an_address_that_is_given_out_twice_ends_the_bucket() {
    let mut rows = Rows::new();
    let address = rows.context.address;
    rows.put("a", 1);
    rows.context.address = address;
    assert!(plan(&[put("b", 1)], [], &rows.fixed, rows.context).is_err());
}
