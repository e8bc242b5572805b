use super::*;

#[tokio::test]
async fn an_account_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let sign_up =
        |address: &str, namespace| accounts.sign_up(new_user(address, Some(namespace)), None, HOME);
    let (ada, home) = sign_up("ada@x.org", "home").await.unwrap();
    let membership = Membership {
        namespace: home.clone(),
        role: Role::Owner,
    };
    assert_eq!(accounts.memberships(&ada.id).await.unwrap(), [membership]);

    let again = sign_up("ADA@x.org", "other").await;
    assert!(matches!(again, Err(SignUpError::EmailTaken)));
    let taken = sign_up("eve@x.org", "home").await;
    assert!(matches!(taken, Err(SignUpError::NamespaceTaken)));
    // Neither attempt left half an account: the names are still free.
    let (eve, other) = sign_up("eve@x.org", "other").await.unwrap();
    let role = accounts.role(&eve.id, &other).await.unwrap();
    assert_eq!(role, Some(Role::Owner));
    assert_eq!(accounts.role(&eve.id, &home).await.unwrap(), None);
}

#[tokio::test]
async fn one_of_many_gets_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Arc::new(open(&folder));
    let attempts: Vec<_> = (0..6)
        .map(|number| {
            let accounts = accounts.clone();
            let new = new_user(&format!("user{number}@x.org"), Some("home"));
            tokio::spawn(async move { accounts.sign_up(new, None, HOME).await.is_ok() })
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
    let (_, first) = accounts.test_user("ada@x.org").await;
    assert_eq!(first.as_str(), "ada");
    let (_, second) = accounts.test_user("ada@y.org").await;
    assert!(second.as_str().starts_with("ada-"), "{second}");
}

#[tokio::test]
async fn only_the_password_signs_in_and_attempts_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, _) = accounts.test_user("ada@x.org").await;
    let login = |address: &'static str, password: &str, from: IpAddr| {
        let (accounts, password) = (&accounts, password.to_owned());
        async move { accounts.login(address, password, &browser(from)).await }
    };
    let (user, token) = login(" Ada@X.org", "correct horse", HOME).await.unwrap();
    assert_eq!(user, ada);
    let (named, _) = accounts
        .authenticate(&token.text, &browser(HOME))
        .await
        .unwrap();
    assert_eq!(named, ada);
    let nobody = login("eve@x.org", "correct horse", HOME).await;
    assert!(matches!(nobody, Err(LoginError::Wrong)));
    let stranger = "203.0.113.7".parse().unwrap();
    for _ in 0..10 {
        let wrong = login("ada@x.org", "correct house", stranger).await;
        assert!(matches!(wrong, Err(LoginError::Wrong)));
    }
    let throttled = login("ada@x.org", "correct horse", stranger)
        .await
        .unwrap_err();
    let LoginError::Throttled(after) = throttled else {
        panic!("{throttled}")
    };
    assert!(after <= Duration::from_secs(30));
    // The owner still can, and so can others from the stranger's address.
    login("ada@x.org", "correct horse", HOME).await.unwrap();
    accounts.test_user("eve@x.org").await;
    login("eve@x.org", "correct horse", stranger).await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_node_or_for_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (user, session) = (UserId::random(), SessionId::random());
    let nobody = accounts.tokens.issue(&user, session, clock::seconds());
    let refused = accounts.authenticate(&nobody.text, &browser(HOME)).await;
    let refused = refused.unwrap_err();
    assert!(matches!(
        refused,
        AuthenticateError::Token(TokenError::Invalid)
    ));
}

#[tokio::test]
async fn closed_sign_up_takes_those_who_were_invited() {
    let folder = tempfile::tempdir().unwrap();
    let settings = AccountSettings {
        sign_up: SignUpPolicy::Closed,
        ..AccountSettings::default()
    };
    let accounts = Accounts::open(store(&folder), folder.path(), settings).unwrap();
    let closed = accounts
        .sign_up(new_user("ada@x.org", None), None, HOME)
        .await;
    assert!(matches!(closed, Err(SignUpError::Closed)));
    let (operator, _) = accounts
        .add_user(new_user("op@x.org", None), true)
        .await
        .unwrap();
    assert!(operator.operator);

    let (_, code) = accounts
        .invite(email("ada@x.org"), None, &operator.id)
        .await
        .unwrap();
    let other = accounts
        .sign_up(new_user("eve@x.org", None), Some(&code), HOME)
        .await;
    assert!(matches!(
        other,
        Err(SignUpError::Invitation(InvitationError::Unknown))
    ));
    let ada = accounts
        .sign_up(new_user("ada@x.org", None), Some(&code), HOME)
        .await
        .unwrap();
    assert_eq!((ada.0.operator, ada.1.as_str()), (false, "ada"));
    assert_eq!(accounts.invitations(None).await.unwrap(), []);
    assert_eq!(accounts.users().await.unwrap().len(), 2);

    assert!(accounts.set_operator(&ada.0.email, true).await.unwrap());
    assert!(accounts.user(&ada.0.id).await.unwrap().unwrap().operator);
}
