use super::*;

async fn join(accounts: &Accounts, owner: &User, namespace: &NamespaceName, address: &str) -> User {
    let (user, _) = accounts.test_user(address).await;
    let member = Some((namespace.clone(), Role::Member));
    let invited = accounts.invite(user.email.clone(), member, &owner.id).await;
    let (invitation, code) = invited.unwrap();
    assert_eq!(
        accounts.invitations(Some(namespace)).await.unwrap(),
        [invitation]
    );
    let membership = accounts.accept_invitation(&user, &code).await.unwrap();
    assert_eq!(
        (&membership.namespace, membership.role),
        (namespace, Role::Member)
    );
    let again = accounts.accept_invitation(&user, &code).await.unwrap_err();
    assert!(matches!(again, InvitationError::Unknown));
    user
}

#[tokio::test]
async fn members_come_by_invitation_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, home) = accounts.test_user("ada@x.org").await;
    let bob = join(&accounts, &ada, &home, "bob@x.org").await;
    let mut roles: Vec<_> = accounts.members(&home).await.unwrap();
    roles.sort_by(|one, other| one.email.cmp(&other.email));
    let roles: Vec<_> = roles
        .iter()
        .map(|it| (it.email.as_str(), it.role))
        .collect();
    assert_eq!(
        roles,
        [("ada@x.org", Role::Owner), ("bob@x.org", Role::Member)]
    );

    let last = accounts.remove_member(&home, &ada.id).await.unwrap_err();
    assert!(matches!(last, ChangeMemberError::LastOwner));
    let last = accounts
        .set_role(&home, &ada.id, Role::Viewer)
        .await
        .unwrap_err();
    assert!(matches!(last, ChangeMemberError::LastOwner));
    accounts
        .set_role(&home, &bob.id, Role::Owner)
        .await
        .unwrap();
    accounts.remove_member(&home, &ada.id).await.unwrap();
    assert_eq!(accounts.role(&ada.id, &home).await.unwrap(), None);
    let gone = accounts.remove_member(&home, &ada.id).await.unwrap_err();
    assert!(matches!(gone, ChangeMemberError::NoSuchMember));
}

#[tokio::test]
async fn keys_end_with_the_right_to_make_them() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, home) = accounts.test_user("ada@x.org").await;
    let bob = join(&accounts, &ada, &home, "bob@x.org").await;
    let make = |user: &User, access| {
        let grant = KeyGrant {
            access,
            created_by: Some(user.id.clone()),
            ..KeyGrant::new(home.clone(), Scope::Namespace)
        };
        accounts.create_key(grant, None)
    };
    let adas = make(&ada, Access::ReadWrite).await.unwrap();
    let writing = make(&bob, Access::ReadWrite).await.unwrap();
    let reading = make(&bob, Access::ReadOnly).await.unwrap();
    accounts
        .set_role(&home, &bob.id, Role::Viewer)
        .await
        .unwrap();
    assert_eq!(accounts.key(&writing.id).await.unwrap(), None);
    assert!(accounts.key(&reading.id).await.unwrap().is_some());
    accounts.remove_member(&home, &bob.id).await.unwrap();
    assert_eq!(accounts.key(&reading.id).await.unwrap(), None);
    assert!(accounts.key(&adas.id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_invitation_can_be_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = open(&folder);
    let (ada, home) = accounts.test_user("ada@x.org").await;
    let member = Some((home.clone(), Role::Viewer));
    let invited = accounts.invite(email("bob@x.org"), member, &ada.id).await;
    let (invitation, code) = invited.unwrap();
    let other = accounts
        .withdraw_invitation(None, &invitation.id)
        .await
        .unwrap();
    assert!(!other);
    assert!(
        accounts
            .withdraw_invitation(Some(&home), &invitation.id)
            .await
            .unwrap()
    );
    let late = accounts
        .sign_up(new_user("bob@x.org", None), Some(&code), HOME)
        .await;
    assert!(matches!(
        late,
        Err(SignUpError::Invitation(InvitationError::Unknown))
    ));
}
