//! What a mount reads: its own journals, and what anybody stored with objects or called them.

use std::str;

use fused_fs::attributes::{Attributes, Defaults, Timestamp, metadata};
use fused_fs::journal::{self, Record};
use fused_fs::names;

/// Reads a journal, and goes on with what it tells.
pub fn journal(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Some(mut recovered) = journal::read(text) else {
        return;
    };
    let size = recovered.stage.size();
    let pieces = recovered.stage.pieces(0..size);
    assert!(pieces.len() <= 2 * data.len() + 2);
    if let Some(made) = recovered.making.clone() {
        recovered.made(made);
    }
    // What is written behind it is read, unless its last line was cut off.
    let more = Record::Key("another".into()).line();
    if text.ends_with('\n')
        && let Some(after) = journal::read(&(text.to_owned() + &more))
    {
        assert!(after.key == "another" || after.key == recovered.key);
    }
}

/// Reads what is stored with an object, a value for each name; what is written is read the same.
pub fn attributes(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let values: Vec<_> = text.split('\n').collect();
    let directory = values.len() % 2 == 0;
    let defaults = Defaults {
        uid: 1,
        gid: 2,
        file: 0o644,
        directory: 0o755,
    };
    let stored = Timestamp(7);
    let get = |name: &str| {
        let number = metadata::ALL.iter().position(|it| *it == name)?;
        values.get(number).copied()
    };
    let read = Attributes::of_object(get, directory, stored, &defaults);
    let written = read.to_metadata();
    let get = |name: &str| {
        let line = written.iter().find(|(it, _)| *it == name)?;
        Some(line.1.as_str())
    };
    let again = Attributes::of_object(get, directory, stored, &defaults);
    assert_eq!(again, read);
}

/// Reads a segment of a key as a name, and a name as a segment: each is the other's only one.
pub fn file_names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Some(segment) = names::segment(text) {
        let shown = if names::is_beside_directory(text) {
            names::shown_beside_directory(&segment)
        } else {
            names::shown(&segment).map(Into::into)
        };
        assert!(shown.is_none_or(|shown| shown == text));
    }
    if !text.contains('/')
        && let Some(name) = names::shown(text)
    {
        assert!(!name.contains(['/', '\0']) && !matches!(&*name, "" | "." | ".."));
        assert_eq!(names::segment(&name).as_deref(), Some(text));
    }
}

/// Reads a listing in lines of JSON: each entry has a line of its own.
pub fn listing(data: &[u8]) {
    if let Ok(page) = fused_s3::page_of_lines(data) {
        let lines = data.split(|byte| *byte == b'\n').count();
        assert!(page.entries.len() < lines);
    }
}
