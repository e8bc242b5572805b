//! What is written down of a staged file, so that its changes outlive the process: a line of JSON for
//! each, in order. The bytes themselves lie beside it, each at its own offset.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::stage::{Base, Stage};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The file has this key now.
    Key(String),
    /// The object is this, and the file is as the object. First of all, and after each upload.
    Base(Option<Base>),
    /// These bytes were written.
    Write(Range<u64>),
    /// The file has this length now.
    Resize(u64),
    /// What is stored beside the bytes: headers of a request.
    Headers(Vec<(String, String)>),
    /// Parts are sent to this upload while the file is written; `None`: not any more.
    Upload(Option<String>),
    /// An upload of the file as it is now begins.
    Begin,
    /// That upload is about to make an object of this ETag.
    Making(String),
    /// There is nothing to upload of it any more. What follows is of another file, whose first byte lies
    /// here in the file of bytes.
    Next(u64),
}

impl Record {
    /// As a line, its end included.
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a record is JSON");
        line.push('\n');
        line
    }
}

/// A staged file as a journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The object's key.
    pub key: String,
    /// Where its first byte lies in the file of bytes.
    pub start: u64,
    /// Which bytes are staged.
    pub stage: Stage,
    /// What is stored beside the bytes.
    pub headers: Vec<(String, String)>,
    /// They changed after the bytes did, or with them.
    pub headers_changed: bool,
    /// An upload that was under way: whether it is completed or not, it is of no use.
    pub upload: Option<String>,
    /// The object that an upload was about to make when the journal ended. If it is there, the upload
    /// was done.
    pub making: Option<Base>,
}

impl Recovered {
    /// The upload was done that was about to make an object.
    pub fn made(&mut self, object: Base) {
        self.stage.uploaded(object);
        self.making = None;
    }
}

/// Reads a journal. `None`: it says nothing of a file, or the last one has nothing to upload any more.
/// A last line that is cut off, as a crash may leave it, is left out: its change was not answered.
pub fn read(journal: &str) -> Option<Recovered> {
    let mut reading = Reading::default();
    for line in journal.split_inclusive('\n') {
        let whole = line.strip_suffix('\n');
        let Some(record) = whole.and_then(|line| serde_json::from_str(line).ok()) else {
            break;
        };
        reading.take(record)?;
    }
    Some(Recovered {
        key: reading.key?,
        start: reading.start,
        stage: reading.stage?,
        headers: reading.headers,
        headers_changed: reading.headers_changed,
        upload: reading.upload,
        making: reading.making,
    })
}

/// What the lines so far say.
#[derive(Default)]
struct Reading {
    start: u64,
    key: Option<String>,
    stage: Option<Stage>,
    headers: Vec<(String, String)>,
    headers_changed: bool,
    making: Option<Base>,
    upload: Option<String>,
    /// The file's length when the upload began.
    begun: u64,
}

impl Reading {
    /// Takes a line; `None`: it does not fit those before it.
    fn take(&mut self, record: Record) -> Option<()> {
        match record {
            Record::Key(it) => self.key = Some(it),
            Record::Headers(it) => {
                self.headers = it;
                self.headers_changed = true;
            }
            Record::Base(base) => match &mut self.stage {
                None => self.stage = Some(Stage::new(base)),
                Some(stage) => {
                    stage.uploaded(base?);
                    self.headers_changed = false;
                    self.making = None;
                }
            },
            Record::Write(range) => self.stage.as_mut()?.write(range),
            Record::Resize(size) => self.stage.as_mut()?.resize(size),
            Record::Begin => {
                let stage = self.stage.as_mut()?;
                stage.begin_upload();
                self.begun = stage.size();
                self.making = None;
            }
            Record::Upload(id) => self.upload = id,
            Record::Making(etag) => {
                let size = self.begun;
                self.making = Some(Base { etag, size });
            }
            Record::Next(start) => {
                *self = Self {
                    start,
                    ..Self::default()
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(size: u64) -> Base {
        Base {
            etag: "\"e\"".into(),
            size,
        }
    }

    #[test]
    fn a_journal_is_read_back() {
        let headers = vec![("x-amz-meta-mode".to_owned(), "33188".to_owned())];
        let records = [
            Record::Key("a/ü\n".into()),
            Record::Base(Some(base(10))),
            Record::Write(3..5),
            Record::Headers(headers.clone()),
            Record::Resize(20),
            Record::Key("b".into()),
        ];
        let text: String = records.iter().map(Record::line).collect();
        let recovered = read(&text).unwrap();
        assert_eq!(recovered.key, "b");
        assert_eq!(recovered.headers, headers);
        assert!(recovered.headers_changed && recovered.stage.is_changed());
        let mut expected = Stage::new(Some(base(10)));
        expected.write(3..5);
        expected.resize(20);
        assert_eq!(recovered.stage, expected);
        let text = text + &Record::Begin.line() + &Record::Write(1..2).line();
        let making = text.clone() + &Record::Making("\"e\"".into()).line();
        let mut recovered = read(&making).unwrap();
        assert_eq!(recovered.making, Some(base(20)));
        recovered.made(base(20));
        assert_eq!(recovered.stage.changes().bounds(), Some(1..2));
        let uploaded =
            text.replace(&Record::Write(1..2).line(), "") + &Record::Base(Some(base(20))).line();
        let recovered = read(&uploaded).unwrap();
        assert!(!recovered.headers_changed && !recovered.stage.is_changed());
    }

    #[test]
    fn what_lies_before_the_next_file_is_of_no_use() {
        let first = [
            Record::Key("a".into()),
            Record::Base(Some(base(10))),
            Record::Upload(Some("id".into())),
            Record::Write(0..5000),
            Record::Begin,
            Record::Making("\"e\"".into()),
            Record::Next(8192),
        ];
        let done: String = first.iter().map(Record::line).collect();
        assert_eq!(read(&done), None);
        let next = Record::Key("b".into()).line() + &Record::Base(None).line();
        let recovered = read(&(done + &next)).unwrap();
        assert_eq!(recovered.start, 8192);
        let alone = read(&next).unwrap();
        assert_eq!(
            recovered,
            Recovered {
                start: 8192,
                ..alone
            }
        );
    }

    #[test]
    fn a_line_that_is_cut_off_is_left_out() {
        let begun = Record::Key("a".into()).line() + &Record::Base(None).line();
        let cut = begun.clone() + Record::Write(0..7).line().trim_end();
        assert_eq!(read(&cut), read(&begun));
        assert_eq!(read(&Record::Key("a".into()).line()), None);
        assert_eq!(read(""), None);
    }

    proptest! {
        #[test]
        fn nonsense_is_no_panic(text in "(\\{\"(key|base|write|resize|next)\":[0-9a-z\"{}:,]{0,20}\\}\n?){0,5}") {
            let _ = read(&text);
        }
    }
}
