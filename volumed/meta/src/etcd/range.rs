//! Ranges, a page at a time, all at the revision of the first.

use etcd_client::{GetOptions, GetResponse, KeyValue};

use super::failure::Failure;
use super::keys::Keys;
use super::members::{LARGEST_ANSWER, Members};
use crate::store::Entry;
use crate::transaction::Revision;

/// Entries that are asked for at a time.
const PAGE: usize = 512;

/// A range that is read.
pub struct Pages<'p> {
    members: &'p Members,
    keys: &'p Keys,
    end: Vec<u8>,
    next: Option<Vec<u8>>,
    left: usize,
    revision: Option<Revision>,
}

/// An entry, and whether a lease ends it.
pub struct Found {
    pub entry: Entry,
    pub leased: bool,
}

impl<'p> Pages<'p> {
    /// Up to `limit` entries whose key starts with `prefix` and is greater than `after`.
    pub fn of(
        members: &'p Members,
        keys: &'p Keys,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Self {
        let begin = match after.filter(|after| *after >= prefix) {
            // The next key that there can be.
            Some(after) => [after, &[0]].concat(),
            None => prefix.to_vec(),
        };
        let (begin, end) = (keys.in_etcd(&begin), keys.end_of(prefix));
        Self {
            members,
            keys,
            next: (begin < end).then_some(begin),
            end,
            left: limit,
            revision: None,
        }
    }

    /// The revision of all pages; that of now if none was read.
    pub async fn revision(&self) -> Result<Revision, Failure> {
        match self.revision {
            Some(revision) => Ok(revision),
            None => newest(self.members, self.keys).await,
        }
    }

    /// What is next; nothing when there is no more.
    pub async fn next(&mut self) -> Result<Vec<Found>, Failure> {
        let Some(begin) = self.next.take().filter(|_| self.left > 0) else {
            return Ok(Vec::new());
        };
        let limit = self.left.min(PAGE);
        let mut options = GetOptions::new()
            .with_range(self.end.clone())
            .with_limit(i64::try_from(limit).unwrap_or(i64::MAX));
        if let Some(revision) = self.revision {
            options = options.with_revision(in_etcd(revision));
        }
        let mut answer = get(self.members, begin, options).await?;
        self.revision.get_or_insert(revision_of(&answer));
        self.left -= answer.kvs().len().min(limit);
        if answer.more()
            && let Some(last) = answer.kvs().last()
        {
            self.next = Some([last.key(), &[0]].concat());
        }
        let found = answer.take_kvs().into_iter();
        Ok(found.map(|found| self.found(found)).collect())
    }

    fn found(&self, found: KeyValue) -> Found {
        Found {
            leased: found.lease() != 0,
            entry: entry(self.keys, found),
        }
    }
}

/// The newest revision of the whole etcd.
pub async fn newest(members: &Members, keys: &Keys) -> Result<Revision, Failure> {
    let options = GetOptions::new().with_count_only();
    let answer = get(members, keys.importing(), options).await?;
    Ok(revision_of(&answer))
}

/// Fails as [`Failure::Compacted`] if the changes after `revision` are no longer kept.
pub async fn refuse_compacted(
    members: &Members,
    keys: &Keys,
    revision: Revision,
) -> Result<(), Failure> {
    let options = GetOptions::new().with_count_only();
    let options = options.with_revision(in_etcd(revision.max(1)));
    match get(members, keys.importing(), options).await {
        // One that is still to come.
        Err(Failure::Refused(text)) if text.contains("future revision") => Ok(()),
        answer => answer.map(drop),
    }
}

/// Reads what a majority has synced.
pub async fn get(
    members: &Members,
    key: Vec<u8>,
    options: GetOptions,
) -> Result<GetResponse, Failure> {
    let call = |client: etcd_client::Client| {
        let kv = client.kv_client();
        let mut kv = kv.max_decoding_message_size(LARGEST_ANSWER);
        let (key, options) = (key.clone(), options.clone());
        async move { kv.get(key, Some(options)).await }
    };
    members.read(call).await
}

pub fn revision_of(answer: &GetResponse) -> Revision {
    answer
        .header()
        .map_or(0, |header| of_etcd(header.revision()))
}

pub fn entry(keys: &Keys, found: KeyValue) -> Entry {
    let (created, modified) = (found.create_revision(), found.mod_revision());
    let (key, value) = found.into_key_value();
    Entry {
        key: keys.of_caller(key),
        value,
        created: of_etcd(created),
        modified: of_etcd(modified),
    }
}

/// etcd's revisions are never negative.
pub fn of_etcd(revision: i64) -> Revision {
    revision.cast_unsigned()
}

pub fn in_etcd(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
