use s3d_bucket::Timestamp;

use super::*;

#[tokio::test]
async fn keys_are_found_until_they_are_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, home) = accounts.test_user("ada@x.org").await;
    let key = accounts.create_namespace_key(&home).await.unwrap();
    assert_eq!((key.id.len(), key.secret.len()), (20, 40));
    for _ in 0..2 {
        assert_eq!(*accounts.key(&key.id).await.unwrap().unwrap(), key);
    }
    let listed = accounts.keys_of(&home).await.unwrap();
    let expected = KeyInfo {
        id: key.id.clone(),
        grant: key.grant.clone(),
        created: key.created,
        last_used: None,
    };
    assert_eq!(listed, [expected]);
    accounts.note_use(&key.id);
    assert!(
        accounts.keys_of(&home).await.unwrap()[0]
            .last_used
            .is_some()
    );
    for missing in [
        "",
        "HR",
        "AKIAIOSFODNN7EXAMPLE",
        "../../x",
        &"H".repeat(9999),
    ] {
        assert_eq!(accounts.key(missing).await.unwrap(), None);
    }
    let other = name("other");
    assert!(!accounts.delete_key(&other, &key.id).await.unwrap());
    assert!(accounts.delete_key(&home, &key.id).await.unwrap());
    assert_eq!(accounts.key(&key.id).await.unwrap(), None);
    assert!(!accounts.delete_key(&home, &key.id).await.unwrap());
    let gone = accounts.create_namespace_key(&other).await;
    assert!(matches!(gone, Err(CreateKeyError::Gone)));
}

#[tokio::test]
async fn another_process_sees_keys_and_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(&folder), open(&folder));
    let (_, home) = one.test_user("ada@x.org").await;
    let key = one.create_namespace_key(&home).await.unwrap();
    assert_eq!(*two.key(&key.id).await.unwrap().unwrap(), key);
    one.delete_key(&home, &key.id).await.unwrap();
    while two.key(&key.id).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_expired_key_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, home) = accounts.test_user("ada@x.org").await;
    let until = |expires: u64| KeyGrant {
        expires: Some(Timestamp(expires)),
        ..KeyGrant::new(home.clone(), Scope::Namespace)
    };
    let expired = accounts.create_key(until(1), None).await.unwrap();
    assert_eq!(accounts.key(&expired.id).await.unwrap(), None);
    let later = accounts.create_key(until(u64::MAX), None).await.unwrap();
    assert!(accounts.key(&later.id).await.unwrap().is_some());
    // Making a key sweeps the expired ones away.
    assert_eq!(accounts.keys_of(&home).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_rotated_key_ends_at_once_or_after_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, home) = accounts.test_user("ada@x.org").await;
    let grant = KeyGrant {
        access: Access::ReadOnly,
        created_by: Some(ada.id.clone()),
        ..KeyGrant::new(home.clone(), Scope::Namespace)
    };
    let first = accounts.create_key(grant.clone(), None).await.unwrap();
    let hour = Duration::from_hours(1);
    let second = accounts
        .rotate_key(&home, &first.id, hour, &ada.id)
        .await
        .unwrap();
    assert_eq!(second.grant, grant);
    let old = accounts.key(&first.id).await.unwrap().unwrap();
    assert_eq!(old.secret, first.secret);
    assert!(old.grant.expires.is_some());
    let third = accounts
        .rotate_key(&home, &second.id, Duration::ZERO, &ada.id)
        .await
        .unwrap();
    assert_eq!(accounts.key(&second.id).await.unwrap(), None);
    assert!(accounts.key(&third.id).await.unwrap().is_some());
    let gone = accounts.rotate_key(&home, &second.id, hour, &ada.id).await;
    assert!(matches!(gone, Err(CreateKeyError::Gone)));
    let foreign = accounts
        .rotate_key(&name("other"), &third.id, hour, &ada.id)
        .await;
    assert!(matches!(foreign, Err(CreateKeyError::Gone)));
}

#[tokio::test]
async fn a_namespace_has_no_more_keys_than_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, home) = accounts.test_user("ada@x.org").await;
    let limits = Limits {
        keys: Some(1),
        ..Limits::default()
    };
    assert!(accounts.set_limits(&home, limits).await.unwrap());
    accounts.create_namespace_key(&home).await.unwrap();
    let refused = accounts.create_namespace_key(&home).await.unwrap_err();
    assert!(matches!(refused, CreateKeyError::TooMany(1)));
    assert!(!accounts.set_limits(&name("other"), limits).await.unwrap());
}
