//! Making, removing and renaming files.

use std::sync::Arc;

use bytes::Bytes;
use fused_fs::attributes::{Attributes, Kind};
use fused_fs::journal::Record;
use fused_fs::stage::Base;
use fused_fs::tree::{Found, Ino, Node, Tree};
use fused_s3::{Condition, ErrorKind};
use fuser::{Errno, RenameFlags};

use crate::asking::Asked;
use crate::content_types;
use crate::directories::{check_length, touch};
use crate::errno::{self, Outcome};
use crate::files::OpenFile;
use crate::lookup::{Named, headers};
use crate::mount::{Mount, now};

impl Mount {
    /// A new and empty file, opened. The server knows of it when it is flushed.
    pub fn create(
        &self,
        named: &Named,
        permissions: u32,
        owner: (u32, u32),
    ) -> Outcome<(Ino, u64)> {
        self.check_writable()?;
        let now = now();
        let mut tree = self.tree.lock();
        let key = tree.key_in(named.parent, &named.segment);
        check_length(&key.ok_or(Errno::ENOENT)?)?;
        let found = Found {
            attributes: Attributes::new(Kind::File, permissions, owner, now),
            object: None,
            beside_directory: false,
            others: content_types::of_name(&named.segment),
        };
        let ino = tree.put(named.parent, &named.segment, found);
        self.note_present(named);
        touch(&mut tree, named.parent);
        drop(tree);
        let (handle, opened) = self.opened(ino, true);
        let file = &opened.file;
        self.staged(file, &mut file.state.lock())?;
        Ok((ino, handle))
    }

    /// Makes something whose bytes are known at once: a link, a pipe, a socket's name, an empty file.
    pub async fn make(
        self: &Arc<Self>,
        named: &Named,
        attributes: Attributes,
        bytes: Bytes,
    ) -> Outcome<Ino> {
        self.check_writable()?;
        let _names = self.names.read().await;
        let key = self.tree.lock().key_in(named.parent, &named.segment);
        let key = key.ok_or(Errno::ENOENT)?;
        check_length(&key)?;
        let size = bytes.len() as u64;
        let others = match attributes.kind {
            Kind::File => content_types::of_name(&named.segment),
            _ => Vec::new(),
        };
        let headers = headers(&attributes, &others);
        let put = self.client.put(&key, &headers, bytes, Condition::Absent);
        let stored = self
            .own(&[&key], put)
            .await
            .map_err(|error| match error.kind {
                ErrorKind::Precondition => Errno::EEXIST,
                _ => errno::reported(&key, "making it", &error),
            })?;
        let found = Found {
            attributes,
            object: Some(Base {
                etag: stored.etag,
                size,
            }),
            beside_directory: false,
            others,
        };
        Ok(self.made(named, found))
    }

    /// Removes a file. Those who have it open go on.
    pub async fn unlink(self: &Arc<Self>, named: &Named) -> Outcome<()> {
        self.check_writable()?;
        let asked = self.ask(named)?;
        let ino = self.lookup(named).await?;
        if self.kind(ino)? == Kind::Directory {
            return Err(Errno::EISDIR);
        }
        let file = self.open_file(ino);
        let _no_upload = file.upload.lock().await;
        let _names = self.names.read().await;
        self.detach(ino).await?;
        let key = self.key(ino)?;
        // What was never uploaded is not there.
        let removed = self.has_object(ino);
        if removed {
            self.keep_directory(named.parent).await?;
            let deleted = self.own(&[&key], self.client.delete(&key)).await;
            deleted.map_err(|error| errno::reported(&key, "removing it", &error))?;
        }
        {
            let mut tree = self.tree.lock();
            tree.remove(ino);
            if removed {
                self.note_given_up(named, &asked);
            }
            if let Some(node) = tree.change(ino) {
                node.attributes.changed = now();
            }
            touch(&mut tree, named.parent);
        }
        self.forget_removed(&file);
        Ok(())
    }

    /// A file was removed: those who have it open can go on, and nothing of it is uploaded.
    fn forget_removed(self: &Arc<Self>, file: &Arc<OpenFile>) {
        {
            let mut state = file.state.lock();
            self.abandon_early(&mut state);
            if let Some(staged) = &state.staged {
                staged.file.discard();
            }
        }
        self.forget_file(file);
    }

    /// Whoever has a file open that is about to lose its object keeps its bytes here.
    async fn detach(self: &Arc<Self>, ino: Ino) -> Outcome<()> {
        let file = self.files.lock().get(&ino).cloned();
        if let Some(file) = file
            && file.state.lock().openers > 0
        {
            self.fetch_whole(&file).await?;
        }
        Ok(())
    }

    fn has_object(&self, ino: Ino) -> bool {
        let tree = self.tree.lock();
        tree.get(ino).is_some_and(|node| node.object.is_some())
    }

    fn kind(&self, ino: Ino) -> Outcome<Kind> {
        let tree = self.tree.lock();
        tree.get(ino).map(Node::kind).ok_or(Errno::ESTALE)
    }

    /// Renames a file or a directory, replacing what is there unless the flags forbid it.
    pub async fn rename(
        self: &Arc<Self>,
        from: &Named,
        to: &Named,
        flags: RenameFlags,
    ) -> Outcome<()> {
        self.check_writable()?;
        if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let asked = self.ask(from)?;
        let ino = self.lookup(from).await?;
        let replaced = match self.lookup(to).await {
            Ok(replaced) => Some(replaced),
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error),
        };
        if replaced == Some(ino) {
            return Ok(());
        }
        if replaced.is_some() && flags.contains(RenameFlags::RENAME_NOREPLACE) {
            return Err(Errno::EEXIST);
        }
        let directory = self.kind(ino)? == Kind::Directory;
        match replaced.map(|replaced| self.kind(replaced)).transpose()? {
            Some(Kind::Directory) if !directory => return Err(Errno::EISDIR),
            Some(kind) if directory && kind != Kind::Directory => return Err(Errno::ENOTDIR),
            _ => {}
        }
        if directory {
            self.rename_directory(ino, replaced, from, to).await
        } else {
            self.rename_file(ino, replaced, from, to, &asked).await
        }
    }

    async fn rename_file(
        self: &Arc<Self>,
        ino: Ino,
        replaced: Option<Ino>,
        from: &Named,
        to: &Named,
        asked: &Asked,
    ) -> Outcome<()> {
        let file = self.open_file(ino);
        let _no_upload = file.upload.lock().await;
        // The new name must not be seen before the bytes are.
        self.upload_locked(&file).await?;
        let _names = self.names.read().await;
        let new_key = self.tree.lock().key_in(to.parent, &to.segment);
        let new_key = new_key.ok_or(Errno::ENOENT)?;
        check_length(&new_key)?;
        let key = self.key(ino)?;
        if let Some(replaced) = replaced {
            self.detach(replaced).await?;
        }
        self.keep_directory(from.parent).await?;
        self.move_object(ino, &key, &new_key).await?;
        let replaced = replaced.and_then(|replaced| self.files.lock().get(&replaced).cloned());
        {
            let mut tree = self.tree.lock();
            self.renamed(&mut tree, ino, from, to);
            self.note_given_up(from, asked);
        }
        if let Some(replaced) = replaced {
            self.forget_removed(&replaced);
        }
        file.state.lock().record(Record::Key(new_key))?;
        self.forget_file(&file);
        Ok(())
    }

    /// Renames an object; by copying and deleting it where the server knows no other way.
    async fn move_object(&self, ino: Ino, from: &str, to: &str) -> Outcome<()> {
        let failed = |error| errno::reported(from, "renaming it", &error);
        if self.options.hayrack {
            let renamed = self
                .own(&[from, to], self.client.rename(from, to, true))
                .await;
            return renamed.map_err(failed);
        }
        let base = self
            .tree
            .lock()
            .get(ino)
            .and_then(|node| node.object.clone());
        let etag = base.ok_or(Errno::ESTALE)?.etag;
        let copied = self.own(&[to], self.client.copy(from, &etag, to)).await;
        let stored = copied.map_err(failed)?;
        let deleted = self.own(&[from], self.client.delete(from)).await;
        deleted.map_err(failed)?;
        if let Some(node) = self.tree.lock().change(ino)
            && let Some(object) = &mut node.object
        {
            if node.cached.as_ref() == Some(&object.etag) {
                node.cached = Some(stored.etag.clone());
            }
            object.etag = stored.etag;
        }
        Ok(())
    }

    async fn rename_directory(
        self: &Arc<Self>,
        ino: Ino,
        replaced: Option<Ino>,
        from: &Named,
        to: &Named,
    ) -> Outcome<()> {
        let _alone = self.names.write().await;
        let (key, new_key) = {
            let tree = self.tree.lock();
            (tree.key(ino), tree.key_in(to.parent, &to.segment))
        };
        let (Some(key), Some(new_key)) = (key, new_key) else {
            return Err(Errno::ENOENT);
        };
        let new_key = new_key + "/";
        check_length(&new_key)?;
        if new_key.starts_with(&key) {
            return Err(Errno::EINVAL);
        }
        if let Some(replaced) = replaced {
            self.check_empty(replaced, &new_key).await?;
        }
        self.keep_directory(from.parent).await?;
        let moved = self.move_prefix(&key, &new_key).await;
        if moved.is_ok() {
            self.renamed(&mut self.tree.lock(), ino, from, to);
        }
        // Whoever walks through a directory below asks for the keys of before.
        self.listed.lock().clear();
        self.asking.lock().end_move(&key, &new_key);
        moved?;
        self.record_keys()
    }

    /// An inode has another name now.
    fn renamed(&self, tree: &mut Tree, ino: Ino, from: &Named, to: &Named) {
        tree.rename(ino, to.parent, &to.segment);
        self.note_present(to);
        if let Some(node) = tree.change(ino) {
            node.attributes.changed = now();
        }
        touch(tree, from.parent);
        touch(tree, to.parent);
    }

    /// Writes down where staged files are now.
    fn record_keys(&self) -> Outcome<()> {
        let files: Vec<_> = self.files.lock().values().cloned().collect();
        for file in files {
            let state = file.state.lock();
            if let Some(key) = self.tree.lock().key(file.ino) {
                state.record(Record::Key(key))?;
            }
        }
        Ok(())
    }

    /// Moves every object below a prefix; by copying and deleting them where the server knows no other
    /// way.
    async fn move_prefix(&self, from: &str, to: &str) -> Outcome<()> {
        if !self.options.hayrack {
            return self.copy_prefix(from, to).await;
        }
        self.asking.lock().begin_move(from);
        let renamed = self.own(&[from], self.client.rename_prefix(from, to)).await;
        let Err(error) = renamed else {
            return Ok(());
        };
        match error.kind {
            // A policy may let us write objects, and never whole prefixes.
            ErrorKind::Denied | ErrorKind::NotImplemented => {
                self.asking.lock().end_move(from, to);
                self.copy_prefix(from, to).await
            }
            // Somebody else put something there meanwhile.
            ErrorKind::Precondition => Err(Errno::ENOTEMPTY),
            // It was renamed, and the answer was lost.
            ErrorKind::NotFound if self.is_there(to).await? => Ok(()),
            _ if error.code == "InvalidArgument" => Err(Errno::ENAMETOOLONG),
            _ => Err(errno::reported(from, "renaming it", &error)),
        }
    }

    /// Whether any key begins so.
    async fn is_there(&self, prefix: &str) -> Outcome<bool> {
        let listed = self.client.list(prefix, false, None, 1).await;
        let listed = listed.map_err(|error| errno::reported(prefix, "listing it", &error))?;
        Ok(!listed.entries.is_empty())
    }

    /// Moves every object below a prefix, one after the other: all are copied before the first is
    /// deleted, so that whatever stops it, nothing is lost and doing it again ends it.
    async fn copy_prefix(&self, from: &str, to: &str) -> Outcome<()> {
        let failed = |error| errno::reported(from, "renaming it", &error);
        let mut keys = Vec::new();
        let mut next = None;
        loop {
            let page = self.client.list(from, false, next.as_deref(), 1000).await;
            let page = page.map_err(failed)?;
            for entry in page.entries {
                if let fused_s3::Entry::Object { key, etag, .. } = entry {
                    keys.push((key, etag));
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        for (key, etag) in &keys {
            let new_key = format!("{to}{}", &key[from.len()..]);
            check_length(&new_key)?;
            let copied = self
                .own(&[&new_key], self.client.copy(key, etag, &new_key))
                .await;
            copied.map_err(failed)?;
        }
        for (key, _) in &keys {
            let deleted = self.own(&[key], self.client.delete(key)).await;
            deleted.map_err(failed)?;
        }
        Ok(())
    }
}
