//! Prefixes that are renamed, three rows a record.

use super::*;
use crate::commit::change::PrefixRename;
use crate::format::redirect::Redirect;

fn rename(from: &str, to: &str) -> Change {
    Change::RenamePrefix(PrefixRename {
        from: from.into(),
        to: to.into(),
        replace_marker: false,
        checked: None,
    })
}

impl Rows {
    fn redirect(&self) -> Option<Redirect> {
        self.get(Table::Redirect, &Bytes::new())
    }

    /// The rows of a table, by their keys.
    fn keys(&self, table: Table) -> Vec<String> {
        let of_table = self.fixed.0.keys().filter(|(it, _)| *it == table);
        of_table
            .map(|(_, key)| String::from_utf8_lossy(key).into_owned())
            .collect()
    }
}

#[test]
fn a_few_rows_move_at_once_and_leave_no_redirect() {
    let mut rows = Rows::new();
    for name in ["a/1", "a/2", "a/3", "b"] {
        rows.put(name, 5);
    }
    let totals = rows.context.totals;
    let first = rows.context.first_record;
    let renamed = rows.one(rename("a/", "c/"));
    assert!(matches!(renamed, Ok(Done::Renamed { sequence }) if sequence == first));
    assert_eq!(rows.keys(Table::Objects), ["b", "c/1", "c/2", "c/3"]);
    assert_eq!(rows.redirect(), None);
    assert_eq!(rows.context.totals, totals);
}

#[test]
fn many_rows_move_in_order_and_each_key_keeps_its_object() {
    let mut rows = Rows::new();
    for name in ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7"] {
        rows.put(name, 5);
    }
    assert!(rows.one(rename("a/", "c/")).is_ok());
    assert_eq!(rows.redirect().map(|it| it.next), Some("4".into()));
    // Under the old prefix: where a row moved away, and where one lies still.
    let (low, high) = (rows.put("a/1", 11), rows.put("a/5", 12));
    assert_eq!(rows.keys(Table::Arrivals), ["a/5"]);
    // Under the new one: in place of a row that moved, of one that did not, and of none.
    let (second, sixth, ninth) = (
        rows.put("c/2", 13),
        rows.put("c/6", 14),
        rows.put("c/9", 15),
    );
    let gone = Change::Delete {
        key: key("c/4"),
        condition: Condition::present(),
    };
    assert!(matches!(
        rows.one(gone),
        Ok(Done::Deleted { existed: true })
    ));
    let gone = Change::Delete {
        key: key("a/7"),
        condition: Condition::default(),
    };
    assert!(matches!(
        rows.one(gone),
        Ok(Done::Deleted { existed: false })
    ));
    for next in [Some("9"), None] {
        assert!(rows.one(Change::MoveSlice).is_ok());
        assert_eq!(rows.redirect().map(|it| it.next).as_deref(), next);
    }
    assert_eq!(rows.count(Table::Arrivals), 0);
    let expected = [
        ("a/1", Some(&low)),
        ("a/5", Some(&high)),
        ("c/1", None),
        ("c/2", Some(&second)),
        ("c/3", None),
        ("c/5", None),
        ("c/6", Some(&sixth)),
        ("c/7", None),
        ("c/9", Some(&ninth)),
    ];
    assert_eq!(rows.keys(Table::Objects), expected.map(|(name, _)| name));
    for (name, object) in expected {
        let found = rows.get::<Object>(Table::Objects, &object_key(&key(name)));
        assert_eq!(
            found.as_ref().map(|it| it.size),
            Some(object.map_or(5, |it| it.size)),
            "{name}"
        );
    }
    assert_eq!(rows.context.totals.objects, 9);
    // Nothing is left to do, and that makes no record.
    let before = rows.context.first_record;
    assert!(rows.one(Change::MoveSlice).is_ok());
    assert_eq!(rows.context.first_record, before);
}

#[test]
fn beside_a_rename_under_way_only_a_short_one_elsewhere_is_made() {
    let mut rows = Rows::new();
    for name in [
        "a/1", "a/2", "a/3", "a/4", "d/1", "e/1", "e/2", "e/3", "e/4",
    ] {
        rows.put(name, 5);
    }
    assert!(rows.one(rename("a/", "c/")).is_ok());
    let running = rows.redirect();
    for (from, to) in [
        ("a/", "x/"),
        ("c/1", "x/"),
        ("d/", "a/b/"),
        ("d/", "c"),
        ("e/", "x/"),
    ] {
        let refused = rows.one(rename(from, to));
        assert!(
            matches!(refused, Err(ChangeError::RenameRunning)),
            "{from} {to} {refused:?}"
        );
    }
    assert!(rows.one(rename("d/", "x/")).is_ok());
    assert_eq!(rows.redirect(), running);
    let plan = plan(&[rename("x/", "d/")], [], &rows.fixed, rows.context).unwrap();
    let begun = Redirect::begun_by(rows.context.first_record, &plan.records[0]);
    assert_eq!(begun.map(|it| it.from), Some("x/".into()));
    assert_eq!(Redirect::left_by(&plan.records[0]), running);
}

#[test]
fn a_slice_of_long_rows_is_short() {
    let mut rows = Rows::new();
    for name in ["a/1", "a/2", "a/3"] {
        let mut object = rows.put(name, 5);
        object.attributes.metadata = vec![("long".into(), "x".repeat(600 << 10))];
        let row = (Table::Objects, object_key(&key(name)));
        rows.fixed.0.insert(row, object.encode());
    }
    assert!(rows.one(rename("a/", "c/")).is_ok());
    assert_eq!(rows.redirect().map(|it| it.next), Some("2".into()));
}

/// What is planned before the group of a rename is durable meets it all the same.
#[test]
fn a_rename_on_its_way_is_seen_by_what_follows() {
    let mut rows = Rows::new();
    for name in ["a/1", "a/2", "a/3", "a/4"] {
        rows.put(name, 5);
    }
    let begun = plan(&[rename("a/", "c/")], [], &rows.fixed, rows.context).unwrap();
    let changes = [put("c/4", 9), put("a/4", 7)];
    let context = CommitContext {
        first_record: rows.context.first_record + 1,
        address: rows.context.address + begun.group.length(),
        ..rows.context
    };
    let pending = begun.records.iter().flatten();
    let plan = plan(&changes, pending, &rows.fixed, context).unwrap();
    let places: Vec<_> = plan
        .records
        .iter()
        .flatten()
        .filter(|it| matches!(it.table, Table::Objects | Table::Arrivals))
        .map(|it| (it.table, it.key.clone()))
        .collect();
    let row = Bytes::from_static(b"a/4");
    assert_eq!(
        places,
        [(Table::Objects, row.clone()), (Table::Arrivals, row)]
    );
}
