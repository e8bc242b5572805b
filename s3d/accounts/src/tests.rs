use std::time::Duration;

use tempfile::TempDir;
use volumed_meta::SqliteStore;

use s3d_names::{Email, NamespaceName};

use super::*;

fn open(folder: &TempDir) -> Accounts {
    let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
    Accounts::open(store, folder.path()).unwrap()
}

fn sign_up(email: &str, namespace: Option<&str>) -> SignUp {
    SignUp {
        email: Email::new(email).unwrap(),
        password: Password::new("correct horse").unwrap(),
        namespace: namespace.map(|name| NamespaceName::new(name).unwrap()),
    }
}

#[tokio::test]
async fn an_account_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, home) = accounts
        .sign_up(sign_up("ada@x.org", Some("home")), None)
        .await
        .unwrap();
    let membership = Membership {
        namespace: home.clone(),
        role: Role::Owner,
    };
    assert_eq!(accounts.memberships(&ada.id).await.unwrap(), [membership]);

    let again = accounts
        .sign_up(sign_up("ADA@x.org", Some("other")), None)
        .await;
    assert!(matches!(again, Err(SignUpError::EmailTaken)));
    let taken = accounts
        .sign_up(sign_up("eve@x.org", Some("home")), None)
        .await;
    assert!(matches!(taken, Err(SignUpError::NamespaceTaken)));
    // Neither attempt left half an account: the names are still free.
    let (eve, other) = accounts
        .sign_up(sign_up("eve@x.org", Some("other")), None)
        .await
        .unwrap();
    assert_eq!(
        accounts.role(&eve.id, &other).await.unwrap(),
        Some(Role::Owner)
    );
    assert_eq!(accounts.role(&eve.id, &home).await.unwrap(), None);
}

#[tokio::test]
async fn one_of_many_gets_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Arc::new(open(&folder));
    let attempts: Vec<_> = (0..6)
        .map(|number| {
            let accounts = accounts.clone();
            let sign_up = sign_up(&format!("user{number}@x.org"), Some("home"));
            tokio::spawn(async move { accounts.sign_up(sign_up, None).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        won += u32::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_derived_namespace_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, first) = accounts
        .sign_up(sign_up("ada@x.org", None), None)
        .await
        .unwrap();
    assert_eq!(first.as_str(), "ada");
    let (_, second) = accounts
        .sign_up(sign_up("ada@y.org", None), None)
        .await
        .unwrap();
    assert!(second.as_str().starts_with("ada-"), "{second}");
}

#[tokio::test]
async fn only_the_password_signs_in_and_attempts_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts
        .sign_up(sign_up("ada@x.org", None), None)
        .await
        .unwrap();
    let login = |email: &'static str, password: &str| {
        let password = password.to_owned();
        accounts.login(email, password, None)
    };
    let token = login(" Ada@X.org", "correct horse").await.unwrap();
    assert_eq!(accounts.authenticate(&token.text).await.unwrap(), ada);
    for (email, password) in [
        ("ada@x.org", "correct house"),
        ("eve@x.org", "correct horse"),
    ] {
        let refused = login(email, password).await;
        assert!(matches!(refused, Err(LoginError::Wrong)));
    }
    for _ in 0..9 {
        login("ada@x.org", "wrong").await.unwrap_err();
    }
    let throttled = login("ada@x.org", "correct horse").await.unwrap_err();
    let LoginError::Throttled(after) = throttled else {
        panic!("{throttled}")
    };
    assert!(after <= Duration::from_secs(30));
    // Others still can.
    accounts
        .sign_up(sign_up("eve@x.org", None), None)
        .await
        .unwrap();
    login("eve@x.org", "correct horse").await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_node_or_for_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let nobody = accounts.tokens.issue(&UserId::random(), clock::seconds());
    let refused = accounts.authenticate(&nobody.text).await.unwrap_err();
    assert!(matches!(
        refused,
        AuthenticateError::Token(TokenError::Invalid)
    ));
}

#[tokio::test]
async fn keys_are_found_until_they_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, home) = accounts
        .sign_up(sign_up("ada@x.org", None), None)
        .await
        .unwrap();
    let key = accounts.create_namespace_key(&home).await.unwrap();
    assert_eq!((key.id.len(), key.secret.len()), (20, 40));
    for _ in 0..2 {
        assert_eq!(*accounts.key(&key.id).await.unwrap().unwrap(), key);
    }
    assert_eq!(
        accounts.keys_of(&home).await.unwrap(),
        [KeyInfo::from(key.clone())]
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
    let other = NamespaceName::new("other").unwrap();
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
    let (_, home) = one.sign_up(sign_up("ada@x.org", None), None).await.unwrap();
    let key = one.create_namespace_key(&home).await.unwrap();
    assert_eq!(*two.key(&key.id).await.unwrap().unwrap(), key);
    one.delete_key(&home, &key.id).await.unwrap();
    while two.key(&key.id).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn no_secret_is_in_the_store_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, home) = accounts
        .sign_up(sign_up("ada@x.org", None), None)
        .await
        .unwrap();
    let key = accounts.create_namespace_key(&home).await.unwrap();
    drop(accounts);
    let mut stored = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        stored.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let contains = |text: &str| stored.windows(text.len()).any(|at| at == text.as_bytes());
    // The search itself works: what is not secret is found.
    assert!(contains(&key.id) && contains("ada@x.org"));
    assert!(!contains(&key.secret) && !contains("correct horse"));
}

#[tokio::test]
async fn without_the_nodes_secret_a_key_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (_, home) = accounts
        .sign_up(sign_up("ada@x.org", None), None)
        .await
        .unwrap();
    let key = accounts.create_namespace_key(&home).await.unwrap();
    drop(accounts);
    std::fs::remove_file(folder.path().join("seal.secret")).unwrap();
    let refused = open(&folder).key(&key.id).await.unwrap_err();
    assert_eq!(refused, AccountsError::Unsealable(key.id));
}
