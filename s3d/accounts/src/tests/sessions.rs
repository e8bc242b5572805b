//! Sessions: listed, ended one by one, and ended by a new password.

use s3d_records::put;
use serde_json::json;

use super::*;

/// Signs in with a password; answers the token.
async fn enter(accounts: &Accounts, address: &str, password: &str) -> Result<String, LoginError> {
    let client = browser(HOME);
    let entered = accounts.login(address, password.to_owned(), &client);
    Ok(entered.await?.1.text)
}

/// The session of a token that is taken.
async fn session(accounts: &Accounts, token: &str) -> Option<SessionId> {
    let authenticated = accounts.authenticate(token, &browser(HOME)).await;
    authenticated.ok().map(|(_, session)| session)
}

#[tokio::test]
async fn each_sign_in_is_a_session_that_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let (eve, _) = accounts.test_user("eve@x.org").await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let token = enter(&accounts, "ada@x.org", "correct horse").await;
        tokens.push(token.unwrap());
    }
    let listed = accounts.sessions(&ada.id).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|it| it.client == browser(HOME)));
    assert!(listed.iter().all(|it| it.begun < it.expires));

    let first = session(&accounts, &tokens[0]).await.unwrap();
    assert!(!accounts.end_session(&eve.id, &first).await.unwrap());
    assert!(accounts.end_session(&ada.id, &first).await.unwrap());
    assert!(!accounts.end_session(&ada.id, &first).await.unwrap());
    let ended = accounts.authenticate(&tokens[0], &browser(HOME)).await;
    assert!(matches!(
        ended,
        Err(AuthenticateError::Token(TokenError::Expired))
    ));

    let second = session(&accounts, &tokens[1]).await.unwrap();
    accounts.end_sessions(&ada.id, Some(&second)).await.unwrap();
    assert_eq!(session(&accounts, &tokens[2]).await, None);
    let left = accounts.sessions(&ada.id).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, second);

    assert_eq!(accounts.log_out(&tokens[1]).await.unwrap(), Some(ada.id));
    assert_eq!(session(&accounts, &tokens[1]).await, None);
    assert_eq!(accounts.log_out("garbage").await.unwrap(), None);
}

#[tokio::test]
async fn sessions_end_with_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let old = enter(&accounts, "ada@x.org", "correct horse")
        .await
        .unwrap();
    let change = |current: &str, new: &str| {
        let (accounts, ada, current) = (&accounts, &ada, current.to_owned());
        let new = Password::new(new).unwrap();
        async move {
            let client = browser(HOME);
            accounts.change_password(ada, current, new, &client).await
        }
    };
    let wrong = change("wrong", "battery staple").await;
    assert!(matches!(wrong, Err(LoginError::Wrong)));
    assert!(session(&accounts, &old).await.is_some());
    let token = change("correct horse", "battery staple").await.unwrap();
    assert_eq!(session(&accounts, &old).await, None);
    assert!(session(&accounts, &token.text).await.is_some());
    assert_eq!(accounts.sessions(&ada.id).await.unwrap().len(), 1);
    let forgotten = enter(&accounts, "ada@x.org", "correct horse").await;
    assert!(matches!(forgotten, Err(LoginError::Wrong)));

    assert!(accounts.set_password(&ada.email, password()).await.unwrap());
    assert_eq!(session(&accounts, &token.text).await, None);
    assert_eq!(accounts.sessions(&ada.id).await.unwrap(), []);
    assert!(enter(&accounts, "ada@x.org", "correct horse").await.is_ok());
    let nobody = email("eve@x.org");
    assert!(!accounts.set_password(&nobody, password()).await.unwrap());
}

#[tokio::test]
async fn one_session_too_many_ends_the_one_that_was_not_used_for_the_longest() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let stored = accounts.records.get(&user::user_key(&ada.id)).await;
    let record: user::UserRecord = stored.unwrap().unwrap().record;
    let begin = async |agent: &str| {
        let client = Client::new(HOME, agent);
        accounts.begin_session(&ada.id, &record, &client).await
    };
    begin("first").await.unwrap();
    // The clock counts milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    for number in 0..100 {
        begin(&format!("later {number}")).await.unwrap();
    }
    let listed = accounts.sessions(&ada.id).await.unwrap();
    assert_eq!(listed.len(), 100);
    assert!(listed.iter().all(|it| it.client.agent != "first"));
}

#[tokio::test]
async fn a_use_is_noted_to_the_minute() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let token = enter(&accounts, "ada@x.org", "correct horse")
        .await
        .unwrap();
    let id = session(&accounts, &token).await.unwrap();
    let key = format!("s3d/session/{}/{id}", ada.id);
    let used = |minutes_ago: u64| {
        let now = clock::now().0;
        json!({
            "begun": now - 3_600_000, "last_used": now - minutes_ago * 60_000, "expires": now + 60_000,
            "password": 0, "address": "203.0.113.7", "agent": "then",
        })
    };
    let elsewhere = Client::new("198.51.100.1".parse().unwrap(), "no\nw");
    for (minutes_ago, agent) in [(0, "then"), (2, "now")] {
        let change = put(key.clone(), &used(minutes_ago));
        accounts.records.commit(vec![], vec![change]).await.unwrap();
        accounts.authenticate(&token, &elsewhere).await.unwrap();
        let listed = accounts.sessions(&ada.id).await.unwrap();
        assert_eq!(listed[0].client.agent, agent);
    }
}

#[tokio::test]
async fn an_account_of_before_sessions_were_kept_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let key = user::user_key(&ada.id);
    let stored = accounts.records.get::<serde_json::Value>(&key).await;
    let mut record = stored.unwrap().unwrap().record;
    let fields = record.as_object_mut().unwrap();
    fields.retain(|name, _| ["email", "password", "created"].contains(&name.as_str()));
    let change = put(key, &record);
    accounts.records.commit(vec![], vec![change]).await.unwrap();
    let token = enter(&accounts, "ada@x.org", "correct horse")
        .await
        .unwrap();
    assert!(session(&accounts, &token).await.is_some());
}
