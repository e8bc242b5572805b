//! A copy is a store of its own.

use super::{Backend, commit, delete, open, put};

pub async fn a_copy_holds_what_the_store_held(backend: &impl Backend) {
    let store = open(backend).await;
    commit(&store, vec![put("a", "1"), put("b", "2"), put("c", "3")]).await;
    commit(&store, vec![delete("a"), put("b", "4")]).await;
    let held = store.range(b"", None, 10).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    let copied = store.copy_to(&to).await.unwrap();
    assert_eq!((copied.revision, copied.keys), (held.0, 2));
    assert_eq!(copied.bytes, to.metadata().unwrap().len());
    let changed = commit(&store, vec![put("b", "5")]).await;

    let copy = crate::open(&to).await.unwrap();
    assert_eq!(copy.range(b"", None, 10).await.unwrap(), held);
    // It goes on where the store was, and the store knows nothing of it.
    assert_eq!(commit(&copy, vec![put("d", "")]).await, changed);
    assert_eq!(store.get(b"d").await.unwrap(), None);
}

pub async fn a_copy_replaces_an_older_one(backend: &impl Backend) {
    let store = open(backend).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    commit(&store, vec![put("a", "1")]).await;
    store.copy_to(&to).await.unwrap();
    let second = commit(&store, vec![delete("a")]).await;
    let copied = store.copy_to(&to).await.unwrap();
    assert_eq!((copied.revision, copied.keys), (second, 0));
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}
