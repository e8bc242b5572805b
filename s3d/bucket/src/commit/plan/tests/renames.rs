//! Renames on rows in memory.

use super::*;
use crate::format::rows::{MAX_TOKENS, Tokens};
use crate::requests::RequestToken;

fn rename(from: &str, to: &str) -> Change {
    Change::Rename {
        source: source(from),
        key: key(to),
        condition: Condition::default(),
        token: None,
    }
}

fn rename_under(from: &str, to: &str, token: RequestToken) -> Change {
    Change::Rename {
        source: source(from),
        key: key(to),
        condition: Condition::default(),
        token: Some(token),
    }
}

fn token(token: u8, parameters: u8) -> RequestToken {
    RequestToken {
        token: [token; 16],
        parameters: [parameters; 16],
    }
}

fn object(rows: &Rows, name: &str) -> Option<Object> {
    rows.get(Table::Objects, &object_key(&key(name)))
}

#[test]
fn a_renamed_object_is_the_same_under_another_key() {
    let mut rows = Rows::new();
    let before = rows.put("a", 10);
    rows.context.now = Timestamp(9);
    rows.one(rename("a", "b")).unwrap();
    assert_eq!(object(&rows, "a"), None);
    let expected = Object {
        sequence: 2,
        ..before
    };
    assert_eq!(object(&rows, "b"), Some(expected));
    assert_eq!(rows.context.totals.objects, 1);
    assert_eq!(rows.context.totals.object_bytes, 10);
    let counted = [Table::Shares, Table::Freed].map(|table| rows.count(table));
    assert_eq!((rows.count(Table::Spans), counted), (1, [0, 0]));
}

#[test]
fn what_comes_and_what_goes_are_records_of_their_own() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    rows.put("b", 20);
    let plan = plan(&[rename("a", "b")], [], &rows.fixed, rows.context).unwrap();
    let changed = |record: &Vec<Mutation>| {
        let objects = record.iter().filter(|it| it.table == Table::Objects);
        let objects = objects.map(|it| (it.key.clone(), it.value.is_some()));
        objects.collect::<Vec<_>>()
    };
    let changed: Vec<_> = plan.records.iter().map(changed).collect();
    let (a, b) = (object_key(&key("a")), object_key(&key("b")));
    assert_eq!(changed, [vec![(b, true)], vec![(a, false)]]);
}

#[test]
fn the_object_that_had_the_key_is_released_and_not_counted_any_more() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    let span = rows.put("b", 20).blob_slices()[0].span;
    rows.context.quota = Some(5);
    rows.one(rename("a", "b")).unwrap();
    assert_eq!(rows.count(Table::Freed), 1);
    assert!(rows.fixed.0.contains_key(&(Table::Freed, span_key(span))));
    let totals = rows.context.totals;
    assert_eq!((totals.objects, totals.object_bytes), (1, 10));
    assert_eq!(rows.get(Table::Totals, &Bytes::new()), Some(totals));
}

#[test]
fn a_stored_blob_is_renamed_by_its_id_and_shared_as_before() {
    let mut rows = Rows::new();
    rows.object_of("a", MAX_INLINE_SLICES + 1);
    rows.one(copy("a", "b")).unwrap();
    let blob = object(&rows, "a").unwrap().blob;
    let slices = rows.count(Table::Slices);
    rows.one(rename("a", "c")).unwrap();
    assert_eq!(object(&rows, "c").unwrap().blob, blob);
    // Onto its own copy: one of two goes.
    assert_eq!(rows.count(Table::BlobShares), 1);
    rows.one(rename("c", "b")).unwrap();
    assert_eq!(rows.count(Table::BlobShares), 0);
    let counted = (rows.count(Table::Slices), rows.count(Table::Doomed));
    assert_eq!(counted, (slices, 0));
}

#[test]
fn an_object_renamed_onto_itself_stays_as_it_is() {
    let mut rows = Rows::new();
    let before = rows.put("a", 10);
    rows.one(rename("a", "a")).unwrap();
    assert_eq!(object(&rows, "a"), Some(before));
    assert_eq!(
        (rows.count(Table::Freed), rows.context.first_record),
        (0, 2)
    );
}

#[test]
fn conditions_of_a_rename_are_about_both_keys() {
    let mut rows = Rows::new();
    rows.put("a", 1);
    let rename_if = |source: Condition, condition: Condition| Change::Rename {
        source: CopySource {
            key: key("a"),
            condition: source,
        },
        key: key("b"),
        condition,
        token: None,
    };
    let any = Condition::default;
    let refused = rows.one(rename_if(Condition::etag("x"), any()));
    let unmet = ChangeError::SourceConditionFailed(Precondition::IfMatch);
    assert_eq!(refused.unwrap_err(), unmet);
    let refused = rows.one(rename_if(any(), Condition::present()));
    let unmet = ChangeError::ConditionFailed(Precondition::IfMatch);
    assert_eq!(refused.unwrap_err(), unmet);
    let refused = rows.one(rename("nothing", "b"));
    assert_eq!(refused.unwrap_err(), ChangeError::NoSuchSource);
    rows.put("b", 1);
    let refused = rows.one(rename_if(any(), Condition::absent()));
    let unmet = ChangeError::ConditionFailed(Precondition::IfNoneMatch);
    assert_eq!(refused.unwrap_err(), unmet);
    rows.one(rename_if(Condition::etag("a"), Condition::etag("b")))
        .unwrap();
}

#[test]
fn a_full_pool_takes_only_renames_that_replace_something() {
    let mut rows = Rows::new();
    rows.put("a", 1);
    rows.put("b", 1);
    rows.context.full = true;
    for onto in ["c", "a"] {
        let refused = rows.one(rename("a", onto));
        assert_eq!(refused.unwrap_err(), ChangeError::NoSpace);
    }
    rows.one(rename("a", "b")).unwrap();
    assert_eq!(rows.count(Table::Freed), 1);
}

#[test]
fn a_token_stands_for_one_request() {
    let mut rows = Rows::new();
    rows.put("a", 1);
    rows.one(rename_under("a", "b", token(1, 1))).unwrap();
    // Another object has the key by now.
    rows.put("a", 2);
    rows.one(rename_under("a", "b", token(1, 1))).unwrap();
    assert_eq!(object(&rows, "a").unwrap().size, 2);
    assert_eq!(object(&rows, "b").unwrap().size, 1);
    let refused = rows.one(rename_under("a", "c", token(1, 2)));
    assert_eq!(refused.unwrap_err(), ChangeError::TokenReused);
    rows.one(rename_under("a", "c", token(2, 2))).unwrap();
    // A refused one is no request that was made.
    let refused = rows.one(rename_under("a", "d", token(3, 3)));
    assert_eq!(refused.unwrap_err(), ChangeError::NoSuchSource);
    rows.one(rename_under("c", "d", token(3, 4))).unwrap();
}

#[test]
fn a_repeated_request_is_known_within_a_batch() {
    let mut rows = Rows::new();
    rows.put("a", 1);
    let twice = || rename_under("a", "b", token(1, 1));
    let outcomes = rows.plan(&[twice(), twice()]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[test]
fn the_oldest_tokens_of_a_row_are_forgotten() {
    let mut rows = Rows::new();
    rows.put("a", 1);
    for last in 0..=MAX_TOKENS as u8 {
        let mut token = token(7, last);
        token.token[15] = last;
        rows.one(rename_under("a", "a", token)).unwrap();
    }
    assert_eq!(rows.count(Table::Tokens), 1);
    let row = rows.get::<Tokens>(Table::Tokens, &Bytes::from_static(&[0x00, 0x70]));
    let Tokens(held) = row.unwrap();
    let lasts: Vec<u8> = held.iter().map(|it| it.token[15]).collect();
    assert_eq!(lasts, [8, 7, 6, 5, 4, 3, 2, 1]);
}
