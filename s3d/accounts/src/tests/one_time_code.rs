//! Codes that are good for once, and not for long.

use s3d_records::put;

use super::*;

/// Has a code of the user end a moment ago.
async fn expire(accounts: &Accounts, kind: &str, user: &UserId) {
    let key = format!("s3d/{kind}-code/{user}");
    let stored = accounts.records.get::<serde_json::Value>(&key).await;
    let mut record = stored.unwrap().expect("there is a code").record;
    record["expires"] = (clock::now().0 - 1).into();
    let change = put(key, &record);
    accounts.records.commit(vec![], vec![change]).await.unwrap();
}

#[tokio::test]
async fn a_link_that_signs_in_ends_after_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let code = accounts.make_sign_in_code(&ada.email).await.unwrap();
    let code = code.unwrap();
    expire(&accounts, "sign-in", &ada.id).await;
    let late = accounts.login_by_code(&code, &browser(HOME)).await;
    assert!(matches!(late, Err(SignInCodeError::Unknown)));
    assert_eq!(accounts.sessions(&ada.id).await.unwrap(), []);

    let code = accounts.make_sign_in_code(&ada.email).await.unwrap();
    let entered = accounts.login_by_code(&code.unwrap(), &browser(HOME)).await;
    assert_eq!(entered.unwrap().0, ada);
}

#[tokio::test]
async fn links_of_letters_end_too() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let code = accounts.make_reset_code(&ada.email).await.unwrap();
    expire(&accounts, "reset", &ada.id).await;
    let late = accounts.reset_password(&code.unwrap(), password()).await;
    assert!(matches!(late, Err(MailLinkError::Unknown)));
    let code = accounts.make_verify_code(&ada.id).await.unwrap();
    expire(&accounts, "verify", &ada.id).await;
    let late = accounts.verify_email(&code).await;
    assert!(matches!(late, Err(MailLinkError::Unknown)));
    assert!(!accounts.user(&ada.id).await.unwrap().unwrap().verified);
}

#[tokio::test]
async fn another_process_honours_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(&folder), open(&folder));
    let (ada, _) = one.test_user("ada@x.org").await;
    let code = one.make_reset_code(&ada.email).await.unwrap().unwrap();
    let new = Password::new("battery staple").unwrap();
    let (first, second) = tokio::join!(
        one.reset_password(&code, new.clone()),
        other.reset_password(&code, new)
    );
    assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1);
    let client = browser(HOME);
    let login = one.login("ada@x.org", "battery staple".into(), &client);
    assert!(login.await.is_ok());
}
