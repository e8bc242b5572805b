use std::path::PathBuf;

use volumed_meta::{Change, MetaStore as _};

use super::*;
use crate::secrets::{SecretsError, backup, restore, rotate};

/// Accounts with some keys, and a copy of the node's secrets as they were.
struct Rack {
    folder: TempDir,
    accounts: Accounts,
    keys: Vec<Key>,
}

impl Rack {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let accounts = open(&folder);
        let (_, home) = accounts.test_user("ada@x.org").await;
        let mut keys = Vec::new();
        for _ in 0..5 {
            keys.push(accounts.create_namespace_key(&home).await.unwrap());
        }
        Self {
            folder,
            accounts,
            keys,
        }
    }

    fn seal_file(&self) -> PathBuf {
        self.folder.path().join(seal::FILE)
    }

    /// Every key opens, in this process and in one that starts now.
    async fn opens(&self) {
        for accounts in [&self.accounts, &open(&self.folder)] {
            accounts.check_seal().await.unwrap();
            for key in &self.keys {
                assert_eq!(accounts.key(&key.id).await.unwrap().as_deref(), Some(key));
            }
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_store_in_clear() {
    let Rack {
        folder,
        accounts,
        keys,
    } = Rack::new().await;
    drop(accounts);
    let mut stored = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        stored.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let contains = |text: &str| stored.windows(text.len()).any(|at| at == text.as_bytes());
    // The search itself works: what is not secret is found.
    assert!(contains(&keys[0].id) && contains("ada@x.org"));
    assert!(!contains(&keys[0].secret) && !contains("correct horse"));
}

#[tokio::test]
async fn without_the_node_key_nothing_opens_until_it_is_restored() {
    let rack = Rack::new().await;
    let copy = rack.folder.path().join("copy");
    backup(rack.folder.path(), &copy).unwrap();
    std::fs::remove_file(rack.seal_file()).unwrap();
    let without = open(&rack.folder);
    let wrong = without.check_seal().await.unwrap_err();
    assert!(wrong.to_string().contains("s3d secrets restore"), "{wrong}");
    let refused = without.key(&rack.keys[0].id).await.unwrap_err();
    assert_eq!(refused, AccountsError::Unsealable(rack.keys[0].id.clone()));
    let home = &rack.keys[0].grant.namespace;
    assert!(matches!(
        without.create_namespace_key(home).await,
        Err(CreateKeyError::Seal(SealError::OtherKey { .. }))
    ));

    restore(store(&rack.folder), rack.folder.path(), &copy)
        .await
        .unwrap();
    rack.opens().await;
}

#[tokio::test]
async fn a_damaged_or_an_old_backup_is_refused() {
    let rack = Rack::new().await;
    let copy = rack.folder.path().join("copy");
    backup(rack.folder.path(), &copy).unwrap();
    let text = std::fs::read_to_string(&copy).unwrap();
    for damaged in [
        "",
        "hayrack secrets 1",
        &text.replacen("token", "tokem", 1),
        &text[..90],
    ] {
        std::fs::write(&copy, damaged).unwrap();
        let refused = restore(store(&rack.folder), rack.folder.path(), &copy)
            .await
            .unwrap_err();
        assert!(matches!(refused, SecretsError::NoBackup(_)), "{refused}");
    }
    std::fs::write(&copy, &text).unwrap();
    rotate(store(&rack.folder), rack.folder.path())
        .await
        .unwrap();
    let old = restore(store(&rack.folder), rack.folder.path(), &copy)
        .await
        .unwrap_err();
    assert!(matches!(old, SecretsError::OtherKey), "{old}");
    rack.opens().await;
}

#[tokio::test]
async fn rotation_seals_everything_anew_under_a_running_server() {
    let rack = Rack::new().await;
    let before = std::fs::read(rack.seal_file()).unwrap();
    assert_eq!(
        rotate(store(&rack.folder), rack.folder.path())
            .await
            .unwrap(),
        5
    );
    let after = std::fs::read(rack.seal_file()).unwrap();
    assert!(before != after && after.len() == 32);
    rack.opens().await;
    // The process that ran on seals with the new key, too.
    let home = &rack.keys[0].grant.namespace;
    let late = rack.accounts.create_namespace_key(home).await.unwrap();
    let found = open(&rack.folder).key(&late.id).await.unwrap();
    assert_eq!(found.as_deref(), Some(&late));
}

/// Each state that a crash may leave: after the file, after the record, between two keys, and
/// before the old key is dropped.
#[tokio::test]
async fn rotation_goes_on_where_a_crash_stopped_it() {
    for resealed in [None, Some(0), Some(3), Some(5)] {
        let rack = Rack::new().await;
        let path = rack.seal_file();
        let old = secret_file::read_or_make(&path).unwrap()[0];
        let new = random::bytes();
        secret_file::write(&path, &[new, old]).unwrap();
        if let Some(resealed) = resealed {
            let store = store(&rack.folder);
            let records = Records::new(store.clone());
            let change = s3d_records::put(seal::SEALS, &seal::key_id(&new));
            store.transact(vec![], vec![change]).await.unwrap();
            let keys = records.list::<key::KeyRecord>(key::PREFIX).await.unwrap();
            for (id, stored) in keys.into_iter().take(resealed) {
                let mut record = stored.record;
                record.secret = seal::reseal(&id, &record.secret, &old, &new).unwrap();
                let change: Change = s3d_records::put(key::key_key(&id), &record);
                store.transact(vec![], vec![change]).await.unwrap();
            }
        }
        // A server that runs on or starts now, before anybody goes on, opens all of them.
        rack.opens().await;
        let left = 5 - resealed.unwrap_or(0);
        assert_eq!(
            rotate(store(&rack.folder), rack.folder.path())
                .await
                .unwrap(),
            left
        );
        assert_eq!(secret_file::read_or_make(&path).unwrap(), [new]);
        rack.opens().await;
    }
}
