//! ETags that are the MD5s of small bodies.

use super::*;
use crate::condition::EtagMatch;

fn put_hashed(name: &str, body: &'static [u8], condition: Condition) -> Change {
    Change::Put {
        key: key(name),
        attributes: Attributes::default(),
        body: Body::Small(Bytes::from_static(body)),
        hashed: true,
        condition,
    }
}

fn etag(outcome: &Outcome) -> &str {
    match outcome {
        Ok(Done::Stored(object)) => &object.attributes.etag,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_is_that_of_its_own_body() {
    let fresh = Condition {
        if_none_match: Some(EtagMatch::Any),
        ..Condition::default()
    };
    let mut rows = Rows::new();
    let outcomes = rows.plan(&[
        put_hashed("a", b"a", Condition::default()),
        put("given", 1),
        put_hashed("a", b"refused", fresh),
        put_hashed("empty", b"", Condition::default()),
        put_hashed("c", b"abc", Condition::default()),
    ]);
    assert_eq!(etag(&outcomes[0]), "0cc175b9c0f1b6a831c399e269772661");
    assert_eq!(etag(&outcomes[1]), "given");
    assert!(outcomes[2].is_err());
    assert_eq!(etag(&outcomes[3]), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(etag(&outcomes[4]), "900150983cd24fb0d6963f7d28e17f72");
}
