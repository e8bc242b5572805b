//! S3: refused, with nothing given away and nothing changed.

use std::collections::BTreeSet;

use hayrack_e2e::http::{Answer, Request, element};
use hayrack_e2e::rack::{Rack, Site};
use hayrack_e2e::s3::S3;

use crate::operations::{Operation, Subject, routed};
use crate::stranger::{OtherTenant, Stranger, all};

/// Answers about a bucket that name no operation: it is not built, or S3 has no such method.
const UNBUILT: [&str; 2] = ["NotImplemented", "MethodNotAllowed"];

#[test]
fn every_operation_of_s3_is_covered() {
    let covered: BTreeSet<String> = Operation::all()
        .into_iter()
        .map(|operation| operation.name)
        .collect();
    assert_eq!(covered, routed());
}

#[test]
fn strangers_are_refused_every_operation_and_learn_nothing() {
    let site = Site::new();
    let rack = site.start();
    let owner = rack.s3();
    let subject = prepare(&rack, &owner);
    let other = OtherTenant::sign_up(&rack);
    let strangers = all(&rack, &other);
    let before = state(&owner, &subject);
    for operation in Operation::all() {
        for stranger in &strangers {
            assert_refused(stranger, &operation, &subject);
        }
    }
    for stranger in &strangers {
        assert_no_appends(stranger, &subject);
        if let Some(own) = stranger.own {
            assert_no_copies(stranger, own, &subject);
            assert_no_renames(stranger, own, &subject);
        }
    }
    assert_eq!(
        state(&owner, &subject),
        before,
        "a stranger changed something"
    );
    for operation in Operation::all() {
        assert_served(&owner, &operation, &subject);
    }
    assert!(rack.stop().success());
}

/// The objects `secret` and `source`, and an upload of `secret` with one part.
fn prepare(rack: &Rack<'_>, owner: &S3) -> Subject {
    let path = |key: &str| format!("{}/{key}", rack.bucket());
    assert_eq!(owner.put(&path("source"), "source").status, 200);
    assert_eq!(owner.put(&path("secret"), "secret").status, 200);
    let created = owner.send(Request::new("POST", path("secret?uploads")));
    let upload = element(&created.text(), "UploadId").expect("an upload has an id");
    let part = owner.put(
        &path(&format!("secret?partNumber=1&uploadId={upload}")),
        "part",
    );
    Subject {
        bucket: rack.var("HAYRACK_BUCKET"),
        key: "secret".into(),
        upload,
        part: part.header("etag").expect("a part has an ETag").into(),
    }
}

fn assert_refused(stranger: &Stranger, operation: &Operation, subject: &Subject) {
    let what = format!("{}: {}", stranger.name, operation.name);
    let answer = stranger.ask(operation.request(subject));
    match (operation.name.as_str(), answer.status) {
        // Everyone has a list of buckets, and may ask for a name: it tells that the name is taken.
        ("list_buckets" | "list_directory_buckets", 200) if stranger.own.is_some() => {
            let listed = answer.text();
            assert!(
                !listed.contains(&format!("<Name>{}<", subject.bucket)),
                "{what}: {listed}"
            );
            return;
        }
        ("create_bucket", 409) if stranger.own.is_some() => return,
        _ => {}
    }
    assert!(
        [403, 405, 501].contains(&answer.status),
        "{what}: {} {}",
        answer.status,
        answer.text()
    );
    if operation.method != "HEAD" {
        let code = answer.code();
        // A form carries its credentials in its fields, whatever the headers say: this one has none.
        let form = operation.name == "post_object" && code == "AccessDenied";
        let refused = stranger.codes.contains(&code.as_str()) || UNBUILT.contains(&code.as_str());
        let expected = form || refused;
        assert!(expected, "{what}: {code}");
    }
    if operation.names_key() {
        let absent = Subject {
            key: "absent".into(),
            ..subject.clone()
        };
        let other = stranger.ask(operation.request(&absent));
        assert_eq!(
            essence(&answer),
            essence(&other),
            "{what} says whether the key exists"
        );
    }
}

/// All of an answer that does not differ from request to request.
fn essence(answer: &Answer) -> (u16, Vec<String>, Option<String>, Option<String>) {
    let names = answer
        .headers
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let text = answer.text();
    (
        answer.status,
        names,
        element(&text, "Code"),
        element(&text, "Message"),
    )
}

/// Neither the size of an object nor whether it is there can be found out by appending to it or writing
/// into it.
fn assert_no_appends(stranger: &Stranger, subject: &Subject) {
    let patch = |key: &str, range: &str| {
        let patch = Request::new("PATCH", format!("/{}/{key}", subject.bucket)).body("forged");
        let answer = stranger.ask(patch.header("content-range", format!("bytes {range}/*")));
        assert_eq!(answer.status, 403, "{}", stranger.name);
        essence(&answer)
    };
    let first = patch("secret", "0-5");
    for (key, range) in [("secret", "9-14"), ("absent", "0-5"), ("absent", "9-14")] {
        assert_eq!(patch(key, range), first, "{}", stranger.name);
    }
    let append = |key: &str, offset: &str| {
        let put = Request::new("PUT", format!("/{}/{key}", subject.bucket)).body("forged");
        let answer = stranger.ask(put.header("x-amz-write-offset-bytes", offset));
        let code = answer.code();
        let refused = answer.status == 403 && stranger.codes.contains(&code.as_str());
        assert!(refused, "{}: {} {code}", stranger.name, answer.status);
        essence(&answer)
    };
    let first = append("secret", "6");
    for (key, offset) in [("secret", "5"), ("absent", "0"), ("absent", "6")] {
        assert_eq!(append(key, offset), first, "{}", stranger.name);
    }
}

/// Copies into an own bucket and into this one, and as parts; of a key that exists and one that does not.
fn assert_no_copies(stranger: &Stranger, own: &str, subject: &Subject) {
    let bucket = &subject.bucket;
    let mine =
        |method, target: &str| stranger.ask(Request::new(method, format!("/{own}/{target}")));
    assert_eq!(mine("PUT", "mine").status, 200);
    let upload =
        element(&mine("POST", "copied?uploads").text(), "UploadId").expect("an upload has an id");
    let part = format!("/{own}/copied?partNumber=1&uploadId={upload}");
    for (target, source) in [
        (format!("/{own}/copied"), format!("{bucket}/secret")),
        (format!("/{own}/copied"), format!("/{bucket}/absent")),
        (part.clone(), format!("{bucket}/secret")),
        (part, format!("/{bucket}/absent")),
        (format!("/{bucket}/secret"), format!("{own}/mine")),
    ] {
        let copy = Request::new("PUT", &target).header("x-amz-copy-source", source.as_str());
        let answer = stranger.ask(copy);
        let refusal = (answer.status, answer.code());
        let refused = refusal == (403, "AccessDenied".into()) || answer.status == 501;
        assert!(
            refused,
            "{}: {source} to {target}: {refusal:?}",
            stranger.name
        );
    }
    assert_eq!(mine("GET", "copied").status, 404);
    assert_eq!(mine("DELETE", "mine").status, 204);
    assert_eq!(
        mine("DELETE", &format!("copied?uploadId={upload}")).status,
        204
    );
}

/// Renames into this bucket, out of it and within it; of a key that exists and of one that does not.
fn assert_no_renames(stranger: &Stranger, own: &str, subject: &Subject) {
    let bucket = &subject.bucket;
    let rename = |target: &str, source: &str| {
        let request = Request::new("PUT", format!("/{target}?renameObject"));
        stranger.ask(request.header("x-amz-rename-source", source))
    };
    for (target, source) in [
        ("taken", "secret".to_owned()),
        ("taken", "absent".to_owned()),
        ("secret", format!("{bucket}/source")),
        ("taken", format!("{own}/mine")),
    ] {
        let answer = rename(&format!("{bucket}/{target}"), &source);
        let refusal = (answer.status, answer.code());
        let refused = (403, "AccessDenied".to_owned());
        assert_eq!(refusal, refused, "{}: {source}", stranger.name);
    }
    // What another bucket is called makes no difference in an own one.
    let [there, absent] = ["secret", "absent"].map(|key| {
        let answer = rename(&format!("{own}/taken"), &format!("{bucket}/{key}"));
        let sentence = element(&answer.text(), "Message").map(|it| it.replace(key, "…"));
        (answer.status, answer.code(), sentence)
    });
    assert_eq!((there.0, there.1.as_str()), (404, "NoSuchKey"));
    assert_eq!(there, absent, "{}", stranger.name);
}

/// All that the owner sees of the bucket.
fn state(owner: &S3, subject: &Subject) -> Vec<(String, u16, Option<String>, String)> {
    let reads = Operation::all();
    let reads = reads
        .iter()
        .filter(|operation| operation.method == "GET" && operation.target.contains("{bucket}"));
    reads
        .map(|read| {
            let answer = owner.send(read.request(subject));
            let etag = answer.header("etag").map(str::to_owned);
            let mut text = if answer.status < 300 {
                answer.text()
            } else {
                answer.code()
            };
            // What the pool has left changes by itself.
            if let Some(end) = text.find("<FreeBytes>") {
                text.truncate(end);
            }
            (read.name.clone(), answer.status, etag, text)
        })
        .collect()
}

/// Shows that the request is one that its owner may make, so that strangers were refused for who they are.
fn assert_served(owner: &S3, operation: &Operation, subject: &Subject) {
    // The posted form has no signature of its own.
    if operation.name == "post_object" {
        return;
    }
    let answer = owner.send(operation.request(subject));
    let served = matches!(answer.status, 200..=299 | 404 | 409 | 501);
    // What the bucket lacks for them is said only to those who may ask.
    let lacking = [
        "get_object_legal_hold",
        "get_object_retention",
        "put_object_legal_hold",
        "put_object_retention",
        "write_get_object_response",
    ];
    assert!(
        served || lacking.contains(&operation.name.as_str()),
        "{}: {} {}",
        operation.name,
        answer.status,
        answer.text()
    );
}
