//! Changing what is stored beside the bytes.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use fused_fs::attributes::{Attributes, Kind, PERMISSIONS, Timestamp};
use fused_fs::journal::Record;
use fused_fs::stage::Base;
use fused_fs::tree::{Ino, ROOT};
use fused_s3::Condition;
use fuser::{Errno, TimeOrNow};

use crate::errno::{self, Outcome};
use crate::lookup::headers;
use crate::mount::{Mount, now, timestamp};

/// What of an inode's attributes is to be changed.
#[derive(Debug, Default)]
pub struct Changes {
    pub permissions: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub accessed: Option<TimeOrNow>,
    pub modified: Option<TimeOrNow>,
    pub changed: Option<SystemTime>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.permissions.is_none()
            && self.uid.is_none()
            && self.gid.is_none()
            && self.accessed.is_none()
            && self.modified.is_none()
            && self.changed.is_none()
    }

    fn apply(&self, attributes: &mut Attributes) {
        if let Some(permissions) = self.permissions {
            attributes.permissions = permissions & PERMISSIONS;
        }
        attributes.uid = self.uid.unwrap_or(attributes.uid);
        attributes.gid = self.gid.unwrap_or(attributes.gid);
        if let Some(accessed) = self.accessed {
            attributes.accessed = time(accessed);
        }
        if let Some(modified) = self.modified {
            attributes.modified = time(modified);
        }
        attributes.changed = self.changed.map_or_else(now, timestamp);
    }
}

fn time(time: TimeOrNow) -> Timestamp {
    match time {
        TimeOrNow::SpecificTime(time) => timestamp(time),
        TimeOrNow::Now => now(),
    }
}

impl Mount {
    /// Changes attributes. Those of a file that has other changes travel with them; else they are
    /// durable when this answers.
    pub async fn set_attributes(self: &Arc<Self>, ino: Ino, changes: &Changes) -> Outcome<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.check_writable()?;
        self.change_attributes(ino, |attributes| changes.apply(attributes))
            .await
    }

    /// The same for any change.
    pub async fn change_attributes(
        self: &Arc<Self>,
        ino: Ino,
        change: impl FnOnce(&mut Attributes),
    ) -> Outcome<()> {
        let kind = {
            let mut tree = self.tree.lock();
            let node = tree.change(ino).ok_or(Errno::ESTALE)?;
            change(&mut node.attributes);
            node.kind()
        };
        if kind == Kind::Directory {
            let stored = self.store_directory(ino).await;
            if stored.is_err() {
                // If it cannot be asked now, the next who uses it asks.
                let _ = self.renew(ino).await;
            }
            return stored;
        }
        let file = self.open_file(ino);
        let (open, deferred) = {
            let mut state = file.state.lock();
            let deferred = state.is_changed();
            state.attributes_changed = true;
            if deferred {
                let headers = self.headers(ino)?;
                state.record(Record::Headers(headers.lines()))?;
            }
            (deferred && state.openers > 0, deferred)
        };
        let done = if open {
            Ok(())
        } else {
            self.upload(&file).await
        };
        if !deferred {
            self.undo_denied(&file, &done).await;
        }
        self.forget_file(&file);
        done
    }

    /// Stores a directory's attributes in its marker.
    async fn store_directory(&self, ino: Ino) -> Outcome<()> {
        // A bucket has no object for its root.
        let _names = self.names.read().await;
        let (key, attributes, base, others) = {
            let tree = self.tree.lock();
            let node = tree.get(ino).ok_or(Errno::ESTALE)?;
            let key = tree.key(ino);
            let Some(key) = key.filter(|key| !key.is_empty()) else {
                return Ok(());
            };
            let attributes = node.attributes.clone();
            (key, attributes, node.object.clone(), node.others.clone())
        };
        if ino == ROOT {
            return Ok(());
        }
        let headers = headers(&attributes, &others);
        let condition = base
            .as_ref()
            .map_or(Condition::Absent, |base| Condition::Etag(&base.etag));
        let put = self.client.put(&key, &headers, Bytes::new(), condition);
        let stored = self
            .own(&[&key], put)
            .await
            .map_err(|error| errno::reported(&key, "changing it", &error))?;
        if let Some(node) = self.tree.lock().change(ino) {
            node.object = Some(Base {
                etag: stored.etag,
                size: 0,
            });
            node.attributes = attributes;
        }
        Ok(())
    }
}
