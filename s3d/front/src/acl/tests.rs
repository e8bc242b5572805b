use http::HeaderMap;
use s3d_bucket::{Acl, BucketId, Grant, Grantee, Permission, Timestamp};
use s3d_buckets::{BucketRecord, Ownership, PublicAccessBlock, Settings, Status};
use s3d_names::{BucketName, NamespaceName};

use super::canned::Canned;
use super::evaluate::object_allows;
use super::requested::{NamedGrantee, RequestedGrant};
use super::*;

const OWNER: Requester<'static> = Requester::Namespace("owner");
const FRIEND: Requester<'static> = Requester::Namespace("friend");
const OTHER: Requester<'static> = Requester::Namespace("other");
const EVERY: [Permission; 4] = [
    Permission::Read,
    Permission::Write,
    Permission::ReadAcp,
    Permission::WriteAcp,
];

fn bucket(acl: Option<Acl>, settings: Settings) -> BucketRecord {
    BucketRecord {
        id: BucketId(1),
        name: BucketName::new("bucket").expect("a name"),
        namespace: NamespaceName::new("owner").expect("a name"),
        volume: "bucket-1".into(),
        status: Status::Provisioned,
        created: Timestamp(0),
        acl,
        settings,
    }
}

fn owned(ownership: Ownership) -> Settings {
    Settings {
        ownership: Some(ownership),
        ..Settings::default()
    }
}

fn blocked(block: PublicAccessBlock) -> Settings {
    Settings {
        public_access_block: Some(block),
        ..Settings::default()
    }
}

fn canned(name: &str) -> Option<Acl> {
    Canned::of_name(name)
        .expect("a canned ACL")
        .acl("owner", "owner")
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside canned ACLs, which may be none"
)]
fn to_friend(permission: Permission) -> Option<Acl> {
    let grantee = Grantee::Namespace("friend".into());
    Some(Acl {
        grants: vec![Grant {
            grantee,
            permission,
        }],
    })
}

/// Who may do what: the letters of `rwax` (read, write, read ACP, write ACP) that are allowed.
fn allowed(of: impl Fn(Permission) -> bool) -> String {
    let letters = EVERY.into_iter().zip("rwax".chars());
    letters
        .filter(|(permission, _)| of(*permission))
        .map(|(_, letter)| letter)
        .collect()
}

#[test]
fn who_may_do_what_with_a_bucket() {
    let plain = Settings::default;
    let ignoring = PublicAccessBlock {
        ignore_public_acls: true,
        ..PublicAccessBlock::default()
    };
    let enforced = || owned(Ownership::BucketOwnerEnforced);
    // ACL, settings; then what another namespace, a key of elsewhere and nobody may.
    let table = [
        (None, plain(), ["", "", ""]),
        (canned("private"), plain(), ["", "", ""]),
        (canned("public-read"), plain(), ["r", "r", "r"]),
        (canned("public-read-write"), plain(), ["rw", "rw", "rw"]),
        (canned("authenticated-read"), plain(), ["r", "r", ""]),
        (canned("log-delivery-write"), plain(), ["", "", ""]),
        (to_friend(Permission::Read), plain(), ["r", "", ""]),
        (to_friend(Permission::Write), plain(), ["w", "", ""]),
        (to_friend(Permission::ReadAcp), plain(), ["a", "", ""]),
        (to_friend(Permission::WriteAcp), plain(), ["x", "", ""]),
        (
            to_friend(Permission::FullControl),
            plain(),
            ["rwax", "", ""],
        ),
        (canned("public-read-write"), blocked(ignoring), ["", "", ""]),
        (
            to_friend(Permission::Read),
            blocked(ignoring),
            ["r", "", ""],
        ),
        (canned("public-read-write"), enforced(), ["", "", ""]),
        (to_friend(Permission::FullControl), enforced(), ["", "", ""]),
    ];
    for (acl, settings, expected) in table {
        let bucket = bucket(acl, settings);
        let of = |who| allowed(|permission| bucket_allows(&bucket, who, permission));
        assert_eq!(of(OWNER), "rwax", "{bucket:?}");
        let found = [FRIEND, Requester::Stranger, Requester::Anonymous].map(of);
        assert_eq!(found, expected, "{bucket:?}");
    }
}

#[test]
fn who_may_do_what_with_an_object() {
    let of_friend = |name: &str| Canned::of_name(name).unwrap().acl("friend", "owner");
    let writer = || owned(Ownership::ObjectWriter);
    let enforced = || owned(Ownership::BucketOwnerEnforced);
    // Whose it is, its ACL, the bucket's settings; then what the bucket's owner, the friend,
    // another namespace and nobody may.
    let table = [
        (None, None, Settings::default(), ["rwax", "", "", ""]),
        (
            None,
            canned("public-read"),
            writer(),
            ["rwax", "r", "r", "r"],
        ),
        (
            None,
            canned("authenticated-read"),
            writer(),
            ["rwax", "r", "r", ""],
        ),
        (
            None,
            to_friend(Permission::Read),
            writer(),
            ["rwax", "r", "", ""],
        ),
        (Some("friend"), None, writer(), ["", "rwax", "", ""]),
        (
            Some("friend"),
            of_friend("bucket-owner-read"),
            writer(),
            ["r", "rwax", "", ""],
        ),
        (
            Some("friend"),
            of_friend("bucket-owner-full-control"),
            writer(),
            ["rwax", "rwax", "", ""],
        ),
        (Some("friend"), None, enforced(), ["rwax", "", "", ""]),
        (
            Some("friend"),
            of_friend("public-read"),
            enforced(),
            ["rwax", "", "", ""],
        ),
    ];
    for (owner, acl, settings, expected) in table {
        let bucket = bucket(None, settings);
        let of = |who| {
            allowed(|permission| object_allows(&bucket, owner, acl.as_ref(), who, permission))
        };
        let found = [OWNER, FRIEND, OTHER, Requester::Anonymous].map(of);
        assert_eq!(found, expected, "{owner:?} {acl:?} {:?}", bucket.settings);
    }
}

#[test]
fn to_whom_a_new_object_belongs() {
    let full = || Asked::Canned(Canned::BucketOwnerFullControl);
    let owner_of = |ownership, asked| {
        let bucket = bucket(None, owned(ownership));
        of_new_object(&bucket, FRIEND, asked).map(|it| it.owner)
    };
    let friend = || Ok(Some("friend".to_owned()));
    for asked in [Asked::Nothing, full()] {
        assert_eq!(owner_of(Ownership::ObjectWriter, asked.clone()), friend());
        assert_eq!(owner_of(Ownership::BucketOwnerEnforced, asked), Ok(None));
    }
    let private = || Asked::Canned(Canned::Private);
    assert_eq!(owner_of(Ownership::BucketOwnerPreferred, full()), Ok(None));
    assert_eq!(
        owner_of(Ownership::BucketOwnerPreferred, private()),
        friend()
    );
    assert_eq!(
        owner_of(Ownership::BucketOwnerEnforced, private()),
        Err(AclError::Disabled)
    );
    let bucket = bucket(None, Settings::default());
    let own = of_new_object(&bucket, OWNER, Asked::Canned(Canned::PublicRead)).unwrap();
    assert_eq!((own.owner, own.acl), (None, canned("public-read")));
    let nobody = of_new_object(&bucket, Requester::Anonymous, Asked::Nothing);
    assert_eq!(nobody, Ok(Belonging::default()));
}

#[test]
fn public_acls_are_blocked_and_others_are_not() {
    let block = PublicAccessBlock {
        block_public_acls: true,
        ..PublicAccessBlock::default()
    };
    let bucket = bucket(None, blocked(block));
    for name in ["public-read", "public-read-write", "authenticated-read"] {
        let asked = Asked::Canned(Canned::of_name(name).unwrap());
        let refused = of_new_object(&bucket, OWNER, asked);
        assert_eq!(refused, Err(AclError::Blocked), "{name}");
    }
    let friend = of_new_object(&bucket, OWNER, Asked::Canned(Canned::Private));
    assert!(friend.is_ok());
    assert!(!is_blocked(&bucket, to_friend(Permission::Read).as_ref()));
}

fn headers(pairs: &[(&'static str, &str)]) -> Result<Requested, AclError> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().expect("a value"));
    }
    read_headers(&map)
}

#[test]
fn headers_name_an_acl() {
    assert_eq!(headers(&[]), Ok(Requested::Nothing));
    let canned = headers(&[("x-amz-acl", "public-read")]);
    assert_eq!(canned, Ok(Requested::Canned(Canned::PublicRead)));
    let unknown = headers(&[("x-amz-acl", "public-ready")]);
    assert_eq!(unknown, Err(AclError::UnknownCanned("public-ready".into())));
    let all = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    let grants = headers(&[("x-amz-grant-read", &format!("id=\"ab\", {all}"))]);
    let read = |grantee| RequestedGrant {
        grantee,
        permission: Permission::Read,
    };
    assert_eq!(
        grants,
        Ok(Requested::Grants(vec![
            read(NamedGrantee::Id("ab".into())),
            read(NamedGrantee::Group(Grantee::AllUsers)),
        ]))
    );
    let both = [("x-amz-acl", "private"), ("x-amz-grant-read", all)];
    assert_eq!(headers(&both), Err(AclError::Both));
    let email = headers(&[("x-amz-grant-read", "emailAddress=a@example.org")]);
    let address = NamedGrantee::Email("a@example.org".into());
    assert_eq!(email, Ok(Requested::Grants(vec![read(address)])));
    assert!(headers(&[("x-amz-grant-read", "someone")]).is_err());
}

#[test]
fn documents_come_back() {
    let acl = Acl {
        grants: vec![
            Grant {
                grantee: Grantee::Namespace("friend".into()),
                permission: Permission::ReadAcp,
            },
            Grant {
                grantee: Grantee::AllUsers,
                permission: Permission::Read,
            },
        ],
    };
    let document = |owner_name: &str| s3s::dto::AccessControlPolicy {
        grants: Some(grants_of(Some(&acl), "owner")),
        owner: Some(owner(owner_name)),
    };
    let friend = NamespaceName::new("friend").unwrap().canonical_id();
    let read = read_document(&document("owner"), "owner").unwrap();
    assert_eq!(
        read.iter().map(|it| &it.grantee).collect::<Vec<_>>(),
        [
            &NamedGrantee::Group(Grantee::AllUsers),
            &NamedGrantee::Id(friend)
        ]
    );
    let other = read_document(&document("other"), "owner");
    assert_eq!(other, Err(AclError::OtherOwner));
}
