//! The changes that S3 has for an object.

use hayrack_e2e::http::{Request, element};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::model::{Keys, Object, State};
use crate::writer::Sender;

/// The least that S3 allows for a part that is not the last.
const PART: usize = 5 << 20;

/// How the change is made.
#[derive(Clone, Debug)]
pub enum Kind {
    Put,
    /// In two parts.
    Multipart,
    /// From the path of another object.
    Copy(String),
    /// Of two parts, the first copied from the path of another object.
    CopyParts(String),
    /// Onto itself, with the new note.
    Note,
    Label,
    Public,
    Delete,
    /// By a list of keys.
    DeleteMany,
}

/// One change to one key.
#[derive(Debug)]
pub struct Change {
    pub kind: Kind,
    /// What the key holds afterwards.
    pub result: State,
}

impl Change {
    /// One that `key` allows, perhaps with the bytes of `from`.
    pub fn choose(random: &mut StdRng, keys: &mut Keys, key: &str, from: &str) -> Option<Self> {
        let held = keys.state(key);
        let number = keys.fresh();
        let (kind, result) = match random.random_range(0..100) {
            0 => {
                let length = PART + random.random_range(1..100_000);
                (Kind::Multipart, Some(keys.object(length)))
            }
            1..10 => {
                let source = keys.state(from)?;
                // A copy carries note and label, and never the ACL.
                let copy = Object {
                    public: false,
                    ..source
                };
                if from == key {
                    return None;
                }
                (Kind::Copy(keys.path(from)), Some(copy))
            }
            10..12 => {
                let source = keys.state(from)?;
                let plain = Object {
                    note: None,
                    label: None,
                    public: false,
                    ..source
                };
                (plain.length > 0).then_some(())?;
                (Kind::CopyParts(keys.path(from)), Some(plain))
            }
            12..18 => {
                let note = Some(number);
                (
                    Kind::Note,
                    Some(Object {
                        note,
                        public: false,
                        ..held?
                    }),
                )
            }
            18..24 => (
                Kind::Label,
                Some(Object {
                    label: Some(number),
                    ..held?
                }),
            ),
            24..28 => (
                Kind::Public,
                Some(Object {
                    public: true,
                    ..held?
                }),
            ),
            28..42 => (Kind::Delete, None),
            42..48 => (Kind::DeleteMany, None),
            other => {
                let longest = if other < 56 { 300_000 } else { 9_000 };
                let length = random.random_range(0..longest);
                let note = Some(number);
                (
                    Kind::Put,
                    Some(Object {
                        note,
                        ..keys.object(length)
                    }),
                )
            }
        };
        Some(Self { kind, result })
    }

    /// Makes the change at a path; true once it is acknowledged.
    pub fn carry_out(&self, sender: &mut Sender<'_>, path: &str) -> bool {
        match (&self.kind, &self.result) {
            (Kind::Delete, _) => sender.send(Request::new("DELETE", path)).is_some(),
            (Kind::DeleteMany, _) => delete_many(sender, path),
            (kind, Some(object)) => carry_out(kind, object, sender, path).is_some(),
            (kind, None) => unreachable!("{kind:?} leaves an object"),
        }
    }
}

fn carry_out(kind: &Kind, object: &Object, sender: &mut Sender<'_>, path: &str) -> Option<()> {
    let put = |target: String| Request::new("PUT", target);
    let note = object
        .note
        .map_or_else(String::new, |note| note.to_string());
    let request = match kind {
        Kind::Put => put(path.into())
            .header("x-amz-meta-note", note)
            .body(object.bytes()),
        Kind::Copy(source) => put(path.into()).header("x-amz-copy-source", source),
        Kind::Note => put(path.into())
            .header("x-amz-copy-source", path)
            .header("x-amz-metadata-directive", "REPLACE")
            .header("x-amz-meta-note", note),
        Kind::Label => {
            let label = object.label.expect("a label was chosen");
            put(format!("{path}?tagging")).body(format!(
                "<Tagging><TagSet><Tag><Key>label</Key><Value>{label}</Value></Tag></TagSet></Tagging>"
            ))
        }
        Kind::Public => put(format!("{path}?acl")).header("x-amz-acl", "public-read"),
        Kind::Multipart => {
            let parts = object.bytes();
            let parts = parts.chunks(PART).map(|part| put(String::new()).body(part));
            return multipart(sender, path, parts);
        }
        Kind::CopyParts(source) => {
            let part = put(String::new()).header("x-amz-copy-source", source);
            return multipart(sender, path, [part]);
        }
        Kind::Delete | Kind::DeleteMany => unreachable!("they leave no object"),
    };
    sender.send(request).map(drop)
}

/// Uploads parts, whose targets are yet to be set, and completes them.
fn multipart(
    sender: &mut Sender<'_>,
    path: &str,
    parts: impl IntoIterator<Item = Request>,
) -> Option<()> {
    let created = sender.send(Request::new("POST", format!("{path}?uploads=")))?;
    let upload = element(&created.text(), "UploadId").expect("an upload has an id");
    let mut completion = String::from("<CompleteMultipartUpload>");
    for (index, mut part) in parts.into_iter().enumerate() {
        let number = index + 1;
        part.target = format!("{path}?partNumber={number}&uploadId={upload}");
        let stored = sender.send(part)?;
        // A copied part has its ETag in a document.
        let etag = stored.header("etag").map(str::to_owned);
        let etag = etag.or_else(|| element(&stored.text(), "ETag"));
        let etag = etag.expect("a part has an ETag");
        let part = format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        completion.push_str(&part);
    }
    completion += "</CompleteMultipartUpload>";
    let complete = Request::new("POST", format!("{path}?uploadId={upload}"));
    sender.send(complete.body(completion)).map(drop)
}

fn delete_many(sender: &mut Sender<'_>, path: &str) -> bool {
    let (bucket, key) = path[1..].split_once('/').expect("a path has a key");
    let list = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
    let request = Request::new("POST", format!("/{bucket}?delete"));
    sender.send(request.body(list)).is_some()
}
