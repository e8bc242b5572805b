//! A client's folders: it renames them, and lists what is in them.

use rand::RngExt;
use s3d_bucket::{ChangeError, ListEntry, ListRequest};

use super::client::{Client, End};
use super::model::Renamed;

/// A client has two folders, and puts objects in both, whichever was renamed to the other.
const FOLDERS: [&str; 2] = ["a", "b"];

impl Client {
    /// One of its folders.
    pub fn folder(&mut self) -> String {
        let folder = FOLDERS[usize::from(self.rng.random::<bool>())];
        format!("{}/{folder}/", self.name)
    }

    /// Renames one of its folders to the other, which mostly is emptied first.
    pub async fn rename(&mut self) -> Result<(), End> {
        let mut folders = FOLDERS.map(|folder| format!("{}/{folder}/", self.name));
        if self.rng.random() {
            folders.reverse();
        }
        let [from, to] = folders;
        if self.rng.random_bool(0.8) {
            let there = self.model.borrow().held_under(&to);
            self.change_all(&there, &vec![None; there.len()]).await?;
        }
        let (held, blocked) = {
            let model = self.model.borrow();
            (model.held_under(&from), !model.held_under(&to).is_empty())
        };
        let renamed = if held.is_empty() || blocked {
            Renamed::default()
        } else {
            self.model.borrow_mut().begin_rename(&from, &to)
        };
        let outcome = self.bucket.rename_prefix(from.clone(), to, false).await;
        let done = match outcome {
            Ok(_) if held.is_empty() || blocked => {
                return Err(End::Wrong(format!("{from} was renamed, and must not be")));
            }
            Ok(_) => true,
            Err(ChangeError::NothingToRename) if held.is_empty() => false,
            Err(ChangeError::PrefixNotEmpty) if blocked => false,
            Err(ChangeError::RenameRunning | ChangeError::NoSpace) => false,
            Err(ChangeError::Closed(_)) => return Err(End::Closed),
            Err(error) => return Err(End::Wrong(format!("{from}: {error}"))),
        };
        self.model.borrow_mut().settle_rename(&renamed, done);
        Ok(())
    }

    /// Lists its keys, page by page, and its folders.
    pub async fn list(&mut self) -> Result<(), End> {
        let prefix = format!("{}/", self.name);
        let limit = self.rng.random_range(1..9);
        let held = self.model.borrow().held_under(&prefix);
        let keys = self.listed(&prefix, None, limit).await?;
        if keys != held {
            return Err(End::Wrong(format!("listed {keys:?}, held {held:?}")));
        }
        let mut folders: Vec<_> = held
            .iter()
            .map(|key| key[..prefix.len() + 2].to_owned())
            .collect();
        folders.dedup();
        let listed = self.listed(&prefix, Some("/"), limit).await?;
        if listed != folders {
            return Err(End::Wrong(format!("listed {listed:?} of {folders:?}")));
        }
        Ok(())
    }

    async fn listed(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, End> {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let request = ListRequest {
                prefix: prefix.to_owned(),
                delimiter: delimiter.map(str::to_owned),
                after,
                limit,
            };
            let page = self.bucket.list(request).await?;
            lines.extend(page.entries.into_iter().map(|entry| match entry {
                ListEntry::Object(key, _) => key.as_str().to_owned(),
                ListEntry::Prefix(prefix) => prefix,
            }));
            after = page.next;
            if after.is_none() {
                return Ok(lines);
            }
        }
    }
}
