//! What somebody wants in an archive, and whether it can be.

use std::collections::BTreeSet;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use s3d_bucket::{Bucket, Key, ListEntry, ListPage, ListRequest, Object, ReadError};
use s3d_buckets::{BucketRecord, Ownership};

use super::super::error::ApiError;
use super::error::ArchiveError;
use super::zip;

/// The longest form, in bytes.
const FORM_LIMIT: usize = 1 << 20;

/// Objects that are listed at a time.
const PAGE: usize = 1_000;

/// Keys and prefixes, each once and none below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub keys: Vec<Key>,
    pub prefixes: Vec<String>,
    root: String,
}

impl<S: Send + Sync> FromRequest<S> for Chosen {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let form = to_bytes(request.into_body(), FORM_LIMIT).await;
        let form = form.map_err(|_| ApiError::body_too_large(FORM_LIMIT))?;
        Ok(Self::read(&form)?)
    }
}

impl Chosen {
    fn read(form: &[u8]) -> Result<Self, ArchiveError> {
        let (mut keys, mut prefixes) = (BTreeSet::new(), BTreeSet::new());
        let mut root = String::new();
        for (name, value) in form_urlencoded::parse(form) {
            match &*name {
                "key" => {
                    let no_key = "A key has 1 to 1024 bytes.";
                    let key = Key::new(value).map_err(|_| ArchiveError::Choice(no_key))?;
                    keys.insert(key);
                }
                "prefix" => {
                    prefixes.insert(value.into_owned());
                }
                "root" => root = value.into_owned(),
                _ => {
                    let unknown = "The form has the fields key, prefix and root, and no others.";
                    return Err(ArchiveError::Choice(unknown));
                }
            }
        }
        Self::new(keys, prefixes, root)
    }

    fn new(
        keys: BTreeSet<Key>,
        sorted: BTreeSet<String>,
        root: String,
    ) -> Result<Self, ArchiveError> {
        let mut prefixes: Vec<String> = Vec::new();
        for prefix in sorted {
            // What begins with an earlier one comes behind it.
            if !prefixes
                .last()
                .is_some_and(|above| prefix.starts_with(above))
            {
                prefixes.push(prefix);
            }
        }
        let below = |text: &str| prefixes.iter().any(|prefix| text.starts_with(prefix));
        let keys: Vec<Key> = keys
            .into_iter()
            .filter(|key| !below(key.as_str()))
            .collect();
        if keys.is_empty() && prefixes.is_empty() {
            let nothing = "Say which objects: a key or a prefix, or several of them.";
            return Err(ArchiveError::Choice(nothing));
        }
        let mut texts = keys
            .iter()
            .map(Key::as_str)
            .chain(prefixes.iter().map(String::as_str));
        if !texts.all(|text| text.starts_with(&root)) {
            let other = "Every key and prefix must start with root.";
            return Err(ArchiveError::Choice(other));
        }
        Ok(Self {
            keys,
            prefixes,
            root,
        })
    }

    /// The name of the folder that it is about, if it is about one.
    pub fn folder(&self) -> Option<&str> {
        let whole = match (&self.keys[..], &self.prefixes[..]) {
            ([], [prefix]) => prefix,
            _ => &self.root,
        };
        let path = whole.strip_suffix('/')?;
        path.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// What an object is called in the archive. Whoever unpacks it must find everything below one folder, on any
    /// system.
    pub fn name_of(&self, key: &Key) -> String {
        let rest = key.as_str().strip_prefix(&self.root);
        let rest = rest.filter(|rest| !rest.is_empty()).unwrap_or(key.as_str());
        let plain = |part: &str| match part {
            "" | "." | ".." => "_".to_owned(),
            part => part.replace(|it: char| it == '\\' || it.is_control(), "_"),
        };
        let (path, end) = match rest.strip_suffix('/') {
            Some(path) => (path, "/"),
            None => (rest, ""),
        };
        let parts: Vec<String> = path.split('/').map(plain).collect();
        format!("{}{end}", parts.join("/"))
    }

    /// Refuses what the bucket's policy denies, or may deny under some condition.
    pub fn check_policy(&self, record: &BucketRecord) -> Result<(), ArchiveError> {
        let keys = self.keys.iter().map(Key::as_str);
        let mut texts = keys.chain(self.prefixes.iter().map(String::as_str));
        match texts.find(|text| record.may_deny_below("GetObject", text)) {
            None => Ok(()),
            Some(text) => Err(ArchiveError::Denied(text.to_owned())),
        }
    }

    /// Refuses what is not there, is another namespace's, or is too much.
    pub async fn check_objects(
        &self,
        record: &BucketRecord,
        bucket: &Bucket,
    ) -> Result<(), ArchiveError> {
        let mut directory = 0;
        for key in &self.keys {
            let found = bucket.find(key).await?;
            let no_such_key = || ArchiveError::NoSuchKey(key.as_str().to_owned());
            check_owner(record, key, &*found.ok_or_else(no_such_key)?)?;
            directory += zip::directory_bytes(&self.name_of(key));
        }
        for prefix in &self.prefixes {
            let mut after = None;
            loop {
                let page = list(bucket, prefix, after).await?;
                for (key, object) in objects(page.entries) {
                    check_owner(record, &key, &object)?;
                    directory += zip::directory_bytes(&self.name_of(&key));
                }
                if directory > zip::DIRECTORY_LIMIT {
                    return Err(ArchiveError::TooMany);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        if directory == 0 {
            return Err(ArchiveError::Empty);
        }
        Ok(())
    }
}

/// A page of what is below a prefix.
pub async fn list(
    bucket: &Bucket,
    prefix: &str,
    after: Option<String>,
) -> Result<ListPage, ReadError> {
    let request = ListRequest {
        prefix: prefix.to_owned(),
        delimiter: None,
        after,
        limit: PAGE,
    };
    bucket.list(request).await
}

/// The objects of a page.
pub fn objects(entries: Vec<ListEntry>) -> impl Iterator<Item = (Key, Box<Object>)> {
    entries.into_iter().filter_map(|entry| match entry {
        ListEntry::Object(key, object) => Some((key, object)),
        ListEntry::Prefix(_) => None,
    })
}

/// Whoever acts for a bucket may read what is the bucket owner's. What another namespace wrote is its own, if
/// ownership controls leave it so: S3 decides on that by its ACL.
pub fn check_owner(record: &BucketRecord, key: &Key, object: &Object) -> Result<(), ArchiveError> {
    let own = match &object.attributes.owner {
        Some(writer) if record.settings.ownership != Some(Ownership::BucketOwnerEnforced) => {
            writer == record.namespace.as_str()
        }
        _ => true,
    };
    if own {
        Ok(())
    } else {
        Err(ArchiveError::Foreign(key.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Chosen {
        Chosen::read(form.as_bytes()).unwrap()
    }

    #[test]
    fn each_object_is_chosen_once() {
        let chosen = read("prefix=a/b/&prefix=a/&key=a/x&key=c&key=c");
        assert_eq!(chosen.prefixes, ["a/"]);
        assert_eq!(chosen.keys, [Key::new("c").unwrap()]);
        for wrong in ["", "key=", "prefix=a&root=b", "other=x"] {
            let refused = Chosen::read(wrong.as_bytes());
            assert!(matches!(refused, Err(ArchiveError::Choice(_))), "{wrong}");
        }
    }

    #[test]
    fn names_stay_below_the_folder_in_which_somebody_unpacks_them() {
        let chosen = read("prefix=a/&root=a/");
        let name = |key: &str| chosen.name_of(&Key::new(key).unwrap());
        assert_eq!(name("a/b/c.txt"), "b/c.txt");
        assert_eq!(name("a/b/"), "b/");
        assert_eq!(name("a/../../etc/x"), "_/_/etc/x");
        assert_eq!(name("a//x"), "_/x");
        assert_eq!(name("a/b\\c\u{7}"), "b_c_");
        assert_eq!(name("a/"), "a/");
        assert_eq!(read("prefix=").name_of(&Key::new("/x").unwrap()), "_/x");
    }

    #[test]
    fn an_archive_is_called_as_its_folder() {
        assert_eq!(read("prefix=a/b/").folder(), Some("b"));
        assert_eq!(read("prefix=a/b/&key=a/x&root=a/").folder(), Some("a"));
        assert_eq!(read("prefix=").folder(), None);
        assert_eq!(read("prefix=a/b").folder(), None);
    }
}
