//! Appends on rows in memory.

use super::*;
use crate::commit::plan::patches::MAX_PIECES;
use crate::object::ObjectPart;
use crate::requests::Addition;

fn append_to(seen: &Object, name: &str, length: usize) -> Change {
    Change::Append {
        key: key(name),
        addition: Addition {
            offset: seen.size,
            onto: seen.sequence,
            etag: format!("{}+", seen.attributes.etag),
            checksum: None,
        },
        body: Body::Small(vec![7; length].into()),
        condition: Condition::default(),
    }
}

impl Object {
    pub(super) fn pieces(&self) -> usize {
        match &self.blob {
            Blob::Inline(slices) => slices.len(),
            Blob::Stored(_) => 1,
            Blob::Pieces(pieces) => pieces.len(),
        }
    }
}

impl Rows {
    pub(super) fn object(&self, name: &str) -> Object {
        self.get(Table::Objects, &object_key(&key(name))).unwrap()
    }

    /// Appends so many times, each time a byte more.
    fn append(&mut self, name: &str, times: usize) {
        for length in 1..=times {
            let change = append_to(&self.object(name), name, length);
            self.one(change).unwrap();
        }
    }

    /// All slices of an object.
    pub(super) fn slices(&self, name: &str) -> Vec<SpanSlice> {
        let object = self.object(name);
        let planner = BatchPlanner {
            rows: Overlay::new(&self.fixed),
            etags: etags(&[]),
            context: self.context,
            draft: Vec::new(),
            redirect: None,
            references: BTreeMap::new(),
            group: Builder::default(),
            records: Vec::new(),
        };
        let Ok(slices) = planner.slices(&object.blob, 0..object.size) else {
            panic!("they can be read");
        };
        assert_eq!(crate::blob::slices::total(&slices), object.size);
        slices
    }

    pub(super) fn release_all(&mut self) {
        while let Some(row) = self.fixed.0.keys().find(|it| it.0 == Table::Doomed) {
            let doomed = Doomed::from_key(&row.1).unwrap();
            self.one(Change::Release { doomed }).unwrap();
        }
    }

    /// Nothing is named any more, and everything is freed.
    pub(super) fn assert_empty(&self) {
        let left = [
            Table::Shares,
            Table::BlobShares,
            Table::Slices,
            Table::Doomed,
        ];
        assert_eq!(left.map(|table| self.count(table)), [0; 4]);
        assert_eq!(self.count(Table::Freed), self.count(Table::Spans));
    }
}

#[test]
fn what_is_appended_to_keeps_all_but_its_bytes() {
    let mut rows = Rows::new();
    let mut before = rows.put("a", 10);
    before.parts = vec![ObjectPart {
        number: 1,
        size: 10,
        checksum: None,
    }];
    before.attributes.metadata = vec![("m".into(), "n".into())];
    let row = (Table::Objects, object_key(&key("a")));
    rows.fixed.0.insert(row, before.encode());
    rows.context.now = Timestamp(9);
    rows.append("a", 1);
    let after = rows.object("a");
    let expected = Object {
        size: 11,
        modified: Timestamp(9),
        sequence: 2,
        attributes: Attributes {
            etag: "a+".into(),
            ..before.attributes
        },
        parts: Vec::new(),
        blob: after.blob.clone(),
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(after.blob_slices().len(), 2);
    assert_eq!(rows.context.totals.object_bytes, 11);
}

#[test]
fn only_the_end_of_the_object_that_was_seen_is_appended_to() {
    let mut rows = Rows::new();
    let seen = rows.put("a", 10);
    let refusal = |rows: &mut Rows, change| rows.one(change).unwrap_err();
    let elsewhere = Object {
        size: 9,
        ..seen.clone()
    };
    for (name, seen) in [
        ("a", &elsewhere),
        ("nothing", &seen),
        ("nothing", &elsewhere),
    ] {
        let refused = refusal(&mut rows, append_to(seen, name, 1));
        assert_eq!(refused, ChangeError::WriteOffset);
    }
    // Two of them at once: the second is behind the first.
    let twice = || append_to(&seen, "a", 1);
    let outcomes = rows.plan(&[twice(), twice()]);
    assert!(outcomes[0].is_ok());
    assert_eq!(outcomes[1].as_ref().unwrap_err(), &ChangeError::WriteOffset);
    // Another one of the same size.
    rows.put("a", 10);
    let refused = refusal(&mut rows, append_to(&seen, "a", 1));
    let other = ChangeError::ConditionFailed(Precondition::Sequence);
    assert_eq!(refused, other);
    let seen = rows.object("a");
    rows.context.quota = Some(10);
    let refused = refusal(&mut rows, append_to(&seen, "a", 1));
    assert_eq!(refused, ChangeError::Quota);
    let mut change = append_to(&seen, "a", 1);
    if let Change::Append { condition, .. } = &mut change {
        *condition = Condition::etag("x");
    }
    let refused = refusal(&mut rows, change);
    let unmet = ChangeError::ConditionFailed(Precondition::IfMatch);
    assert_eq!(refused, unmet);
    assert_eq!(rows.slices("a").len(), 1);
}

#[test]
fn many_appends_become_rows_that_never_change() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    let mut known: BTreeMap<_, _> = BTreeMap::new();
    for _ in 0..4 * MAX_PIECES {
        rows.append("a", 1);
        for (row, value) in &rows.fixed.0 {
            if row.0 == Table::Slices {
                let first = known.entry(row.clone()).or_insert_with(|| value.clone());
                assert_eq!(first, value);
            }
        }
        assert!(rows.object("a").pieces() <= MAX_PIECES);
    }
    assert_eq!(rows.slices("a").len(), 4 * MAX_PIECES + 1);
    assert!(known.len() >= 4, "{}", known.len());
    rows.one(delete("a")).unwrap();
    rows.release_all();
    rows.assert_empty();
}

#[test]
fn appends_cost_little_whatever_the_size() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    let cost = |rows: &mut Rows| {
        let costs = (0..2 * MAX_PIECES + 2).map(|_| {
            let change = append_to(&rows.object("a"), "a", 1);
            let planned = plan([&change], [], &rows.fixed, rows.context).unwrap();
            let mutations = planned.records[0].iter();
            let bytes = mutations.map(|it| it.key.len() + it.value.as_ref().map_or(0, Bytes::len));
            let bytes = bytes.sum::<usize>();
            rows.one(change).unwrap();
            // The ETag of these tests grows by a letter.
            bytes - rows.object("a").attributes.etag.len()
        });
        costs.sum::<usize>()
    };
    rows.append("a", 8 * MAX_PIECES);
    let first = cost(&mut rows);
    rows.append("a", 24 * MAX_PIECES);
    // Runs of what was stored before are stored again, as often as the logarithm of the size says.
    let last = cost(&mut rows);
    assert!(last < 2 * first, "{first} {last}");
}

#[test]
fn copies_go_on_apart() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    rows.append("a", MAX_PIECES + 2);
    rows.one(copy("a", "b")).unwrap();
    let common = rows.slices("a");
    assert_eq!(rows.slices("b"), common);
    for name in ["a", "b", "a", "b"] {
        rows.append(name, MAX_PIECES + 1);
    }
    let (a, b) = (rows.slices("a"), rows.slices("b"));
    assert_eq!(
        (&a[..common.len()], &b[..common.len()]),
        (&common[..], &common[..])
    );
    let own = |slices: &[SpanSlice]| slices[common.len()..].to_vec();
    assert_eq!(
        (own(&a).len(), own(&b).len()),
        (2 * MAX_PIECES + 2, 2 * MAX_PIECES + 2)
    );
    assert!(own(&a).iter().all(|slice| !own(&b).contains(slice)));
    rows.one(delete("a")).unwrap();
    rows.release_all();
    assert_eq!(rows.slices("b"), b);
    rows.append("b", MAX_PIECES + 1);
    rows.one(delete("b")).unwrap();
    rows.release_all();
    rows.assert_empty();
}

#[test]
fn ranges_of_what_was_appended_to_are_found() {
    let mut rows = Rows::new();
    rows.put("a", 10);
    rows.append("a", MAX_PIECES + 2);
    let whole = rows.slices("a");
    let size = rows.object("a").size;
    let id = rows.begin("b");
    for (range, expected) in [
        (0..10, &whole[..1]),
        (0..size, &whole[..]),
        (10..13, &whole[1..3]),
        (
            size - whole[whole.len() - 1].length..size,
            &whole[whole.len() - 1..],
        ),
    ] {
        rows.one(copy_part("a", range, "b", &id)).unwrap();
        let part: Part = rows.get(Table::Parts, &part_key(&id, 1)).unwrap();
        let Blob::Inline(slices) = part.blob else {
            panic!("so few slices are no rows");
        };
        assert_eq!(slices, expected);
    }
}
