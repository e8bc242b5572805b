//! What is to be brought into an etcd, in the order of its keys.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::copy::CopyError;
use crate::sqlite::Contents;
use crate::store::Entry;
use crate::transaction::Revision;

/// The entries of a file, some of them with other values.
pub struct Source {
    contents: Arc<Mutex<Contents>>,
    instead: BTreeMap<Vec<u8>, Vec<u8>>,
    page: VecDeque<Entry>,
    read_to_end: bool,
}

impl Source {
    pub async fn open(path: &Path, instead: BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Self, CopyError> {
        let path = path.to_owned();
        let contents = blocking(move || Contents::open(&path)).await?;
        Ok(Self {
            contents: Arc::new(Mutex::new(contents)),
            instead,
            page: VecDeque::new(),
            read_to_end: false,
        })
    }

    /// From the first on. Only one at a time gives anything.
    pub fn again(&self) -> Self {
        self.contents.lock().rewind();
        Self {
            contents: Arc::clone(&self.contents),
            instead: self.instead.clone(),
            page: VecDeque::new(),
            read_to_end: false,
        }
    }

    /// The file's newest.
    pub fn revision(&self) -> Revision {
        self.contents.lock().revision
    }

    /// The next key and its value.
    pub async fn next(&mut self) -> Result<Option<(Vec<u8>, Vec<u8>)>, CopyError> {
        if self.page.is_empty() && !self.read_to_end {
            let contents = Arc::clone(&self.contents);
            self.page = blocking(move || contents.lock().next()).await?.into();
            self.read_to_end = self.page.is_empty();
        }
        let in_file = self.page.front().map(|entry| &entry.key);
        if let Some(first) = self.instead.first_entry()
            && in_file.is_none_or(|key| first.key() <= key)
        {
            if in_file == Some(first.key()) {
                self.page.pop_front();
            }
            return Ok(Some(first.remove_entry()));
        }
        let next = self.page.pop_front();
        Ok(next.map(|entry| (entry.key, entry.value)))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CopyError::Thread(error.into()))?
}
