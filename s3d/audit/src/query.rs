//! Reading events, the newest first.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::event::Event;
use super::writer::{numbers, path};

/// Where an event begins: the number of its file, and its offset there in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    file: u64,
    offset: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.file, self.offset)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (file, offset) = text.split_once('-')?;
            Some(Self {
                file: file.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        parse().ok_or("This is not what an earlier page named as next.")
    }
}

/// Which events to read; what is not set does not count.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this namespace.
    pub namespace: Option<String>,
    /// By this user.
    pub user: Option<String>,
    /// By this key.
    pub key: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// About what begins so.
    pub about: Option<String>,
    /// Not before this time, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Before this time, in milliseconds since 1970.
    pub until: Option<u64>,
    /// Before this event.
    pub before: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

impl Filter {
    fn holds(&self, event: &Event) -> bool {
        let is = |wished: &Option<String>, there: Option<&String>| {
            wished.is_none() || wished.as_ref() == there
        };
        is(&self.namespace, event.namespace.as_ref())
            && is(&self.user, event.who.user.as_ref())
            && is(&self.key, event.who.key.as_ref())
            && is(&self.action, Some(&event.action))
            && self
                .about
                .as_ref()
                .is_none_or(|about| event.resource.starts_with(about))
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }
}

/// Events, and where to go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The newest first.
    pub events: Vec<Event>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
}

pub fn read(folder: &Path, filter: &Filter) -> io::Result<Page> {
    let mut events = Vec::new();
    for file in numbers(folder)?.into_iter().rev() {
        if filter.before.is_some_and(|before| file > before.file) {
            continue;
        }
        let content = match fs::read(path(folder, file)) {
            // It was removed as the oldest one meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            content => content?,
        };
        for (offset, line) in lines_backwards(&content) {
            let cursor = Cursor { file, offset };
            if filter.before.is_some_and(|before| cursor >= before) {
                continue;
            }
            let event = serde_json::from_slice::<Event>(line).ok();
            events.extend(event.filter(|event| filter.holds(event)));
            if events.len() >= filter.limit {
                let next = Some(cursor);
                return Ok(Page { events, next });
            }
        }
    }
    Ok(Page { events, next: None })
}

/// The whole lines with their offsets, the last one first.
fn lines_backwards(content: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut end = content.iter().rposition(|byte| *byte == b'\n');
    std::iter::from_fn(move || {
        let line_end = end?;
        end = content[..line_end].iter().rposition(|byte| *byte == b'\n');
        let start = end.map_or(0, |before| before + 1);
        Some((start as u64, &content[start..line_end]))
    })
}
