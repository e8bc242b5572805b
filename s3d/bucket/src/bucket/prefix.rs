//! Renaming a prefix.

use bytes::Bytes;

use super::Bucket;
use crate::commit::change::{Change, Done, PrefixRename};
use crate::errors::{ChangeError, ClosedError, ReadError};
use crate::format::redirect::overlap;
use crate::format::rows::Table;
use crate::index::IndexError;
use crate::index::feed::{ChangesError, EventKind};
use crate::index::reader::Reader;

/// Keys that are looked at with one view of the index, and events that are read at once.
const PAGE: usize = 10_000;

impl Bucket {
    /// Gives all objects whose keys start with `from` keys that start with `to` instead, at once and
    /// however many they are; they are what they were else. No bytes move. Answers the sequence number
    /// of the event in the change feed.
    ///
    /// No key may start with `to` already, but that with `replace_marker` an object whose key is `to`
    /// itself is replaced, as an empty folder's marker is. Uploads under way stay under their old
    /// keys. After a rename of many keys, others that are long or touch its prefixes are refused until
    /// its rows have moved.
    pub async fn rename_prefix(
        &self,
        from: String,
        to: String,
        replace_marker: bool,
    ) -> Result<u64, ChangeError> {
        if overlap(&from, &to) {
            return Err(ChangeError::PrefixesOverlap);
        }
        let mut rename = PrefixRename {
            from,
            to,
            replace_marker,
            checked: None,
        };
        loop {
            match self.submit(Change::RenamePrefix(rename.clone())).await? {
                Done::Renamed { sequence } => return Ok(sequence),
                _ => rename.checked = Some(self.check_lengths(&rename).await?),
            }
        }
    }

    /// Looks at the length of every key that would be renamed: too many to do so while all other
    /// changes wait. Answers up to which change that holds.
    async fn check_lengths(&self, rename: &PrefixRename) -> Result<u64, ChangeError> {
        let longest = rename.longest().unwrap_or(usize::MAX);
        let mut through = *self.shared.last_record.borrow();
        let mut at = Some(Bytes::copy_from_slice(rename.from.as_bytes()));
        while let Some(from) = at {
            let prefix = rename.from.clone();
            let page = move |reader: &Reader| lengths(reader, &prefix, from.clone());
            let page = self.shared.looked(self.shared.index.read(page).await);
            let (found, behind) = page.map_err(closed)?;
            if found > longest {
                return Err(ChangeError::KeyTooLong);
            }
            at = behind;
        }
        // What was put meanwhile; the few changes after this are looked at where they are planned.
        loop {
            let page = match self.changes(through, &rename.from, PAGE).await {
                Ok(page) => page,
                Err(ChangesError::Gone { .. }) => return Ok(through),
                Err(ChangesError::Read(error)) => return Err(closed(error)),
            };
            let renamed = |kind: &EventKind| matches!(kind, EventKind::PrefixRenamed { .. });
            if page.events.iter().any(|event| renamed(&event.kind)) {
                return Ok(through);
            }
            let mut kept = page
                .events
                .iter()
                .filter(|it| it.kind != EventKind::Deleted);
            if kept.any(|event| event.key.as_str().len() > longest) {
                return Err(ChangeError::KeyTooLong);
            }
            through = page.through;
            if !page.more {
                return Ok(through);
            }
        }
    }
}

/// The length of the longest of some keys under a prefix, and where to go on, if there are more.
fn lengths(
    reader: &Reader,
    prefix: &str,
    from: Bytes,
) -> Result<(usize, Option<Bytes>), IndexError> {
    let mut keys = reader.cursor(Table::Objects)?;
    keys.seek(from);
    let mut longest = 0;
    for _ in 0..PAGE {
        match keys
            .next()?
            .filter(|(key, _)| key.starts_with(prefix.as_bytes()))
        {
            Some((key, _)) => longest = longest.max(key.len()),
            None => return Ok((longest, None)),
        }
    }
    let next = keys.next()?.map(|(key, _)| key);
    Ok((
        longest,
        next.filter(|key| key.starts_with(prefix.as_bytes())),
    ))
}

fn closed(error: ReadError) -> ChangeError {
    ChangeError::Closed(match error {
        ReadError::Closed(error) => error,
        error @ ReadError::Damaged { .. } => ClosedError::Index(error.to_string()),
    })
}
