//! What the rack knows of a bucket.

use s3d_accounts::{KeyGrant, Scope};
use s3d_bucket::{Acl, BucketId, Timestamp};
use s3d_policy::Requester;
use serde::{Deserialize, Serialize};

use super::settings::Settings;

use s3d_names::BucketName;
use s3d_names::NamespaceName;

pub const PREFIX: &str = "s3d/bucket/";
pub const UNSETTLED: &str = "s3d/unsettled/";

/// What the names of buckets' volumes start with; the bucket's id follows.
pub const VOLUME_PREFIX: &str = "bucket-";

/// A bucket as the rack knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRecord {
    /// Names the bucket for ever, also when its name is given to another one.
    #[serde(with = "hex")]
    pub id: BucketId,
    /// Unique in the rack.
    pub name: BucketName,
    /// The namespace that it belongs to.
    pub namespace: NamespaceName,
    /// The volume that holds it, named after its id.
    pub volume: String,
    /// Whether it can be used.
    pub status: Status,
    /// When it was created.
    pub created: Timestamp,
    /// Who may do what with it; `None`: its namespace alone.
    #[serde(default, deserialize_with = "acl::read")]
    pub acl: Option<Acl>,
    /// What else its owner set on it.
    #[serde(default)]
    pub settings: Settings,
}

/// The bucket that a volume holds, kept under the volume's name so that it is found without reading other buckets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBucket {
    /// Its name, for as long as the volume lives.
    pub name: BucketName,
    /// The namespace that it belongs to.
    pub namespace: NamespaceName,
}

/// Whether a bucket can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Its volume is being made.
    Provisioning,
    /// It can be used.
    Provisioned,
    /// It is gone for everybody; its volume is being deleted, and its name is not free yet.
    Deleting,
}

impl BucketRecord {
    /// A key to this bucket that reads and writes until it is revoked.
    pub fn key_grant(&self) -> KeyGrant {
        KeyGrant::new(self.namespace.clone(), Scope::Bucket(self.name.clone()))
    }

    /// What is kept under its volume's name.
    pub fn held(&self) -> HeldBucket {
        HeldBucket {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
        }
    }

    /// The bucket's id as text, 32 hex digits.
    pub fn id_text(&self) -> String {
        format!("{:032x}", self.id.0)
    }

    /// Whether its policy denies those who act in its namespace's name an action of S3 on any object whose key
    /// starts with a prefix, or may do so under some condition.
    pub fn may_deny_below(&self, action: &str, prefix: &str) -> bool {
        let who = Requester {
            namespace: Some(&self.namespace),
            acts_for_namespace: true,
        };
        let policy = self.settings.policy.as_ref();
        policy.is_some_and(|it| it.may_deny_below(who, action, self.name.as_str(), prefix))
    }
}

pub fn bucket_key(name: &BucketName) -> String {
    format!("{PREFIX}{name}")
}

pub fn buckets_of(namespace: &NamespaceName) -> String {
    format!("s3d/bucket-of/{namespace}/")
}

pub fn bucket_of_key(record: &BucketRecord) -> String {
    format!("{}{}", buckets_of(&record.namespace), record.name)
}

pub fn volume_key(volume: &str) -> String {
    format!("s3d/bucket-in/{volume}")
}

pub fn unsettled_key(name: &BucketName) -> String {
    format!("{UNSETTLED}{name}")
}

mod acl {
    use s3d_bucket::{Acl, Grant, Grantee, Permission};
    use serde::{Deserialize, Deserializer};

    /// The first records named one of two canned ACLs.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Canned(Canned),
        Acl(Option<Acl>),
    }

    #[derive(Deserialize)]
    enum Canned {
        Private,
        PublicRead,
    }

    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Acl>, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Acl(acl) => acl,
            Stored::Canned(Canned::Private) => None,
            Stored::Canned(Canned::PublicRead) => Some(Acl {
                grants: vec![Grant {
                    grantee: Grantee::AllUsers,
                    permission: Permission::Read,
                }],
            }),
        })
    }
}

mod hex {
    use s3d_bucket::BucketId;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub fn serialize<S: Serializer>(id: &BucketId, serializer: S) -> Result<S::Ok, S::Error> {
        format!("{:032x}", id.0).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BucketId, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16)
            .map(BucketId)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use s3d_bucket::{Grant, Grantee, Permission};

    use super::*;

    fn readable_by(grantee: Grantee) -> Acl {
        let permission = Permission::Read;
        Acl {
            grants: vec![Grant {
                grantee,
                permission,
            }],
        }
    }

    #[test]
    fn a_record_of_the_first_format_is_read() {
        let read = |acl: &str| {
            let json = format!(
                r#"{{"id":"7","name":"my-bucket","namespace":"home","volume":"bucket-7",
                "status":"Provisioned","created":7,"acl":{acl}}}"#
            );
            serde_json::from_str::<BucketRecord>(&json).unwrap()
        };
        let private = read(r#""Private""#);
        assert_eq!((private.acl, private.settings), (None, Settings::default()));
        let public = read(r#""PublicRead""#);
        assert_eq!(public.acl, Some(readable_by(Grantee::AllUsers)));
    }

    #[test]
    fn a_record_reads_back() {
        let record = BucketRecord {
            id: BucketId(u128::MAX - 1),
            name: BucketName::new("my-bucket").unwrap(),
            namespace: NamespaceName::new("home").unwrap(),
            volume: "bucket-1".into(),
            status: Status::Provisioned,
            created: Timestamp(7),
            acl: Some(readable_by(Grantee::Namespace("friend".into()))),
            settings: Settings {
                tags: vec![("a".into(), "b".into())],
                ..Settings::default()
            },
        };
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("fffffffffffffffffffffffffffffffe"), "{json}");
        assert_eq!(serde_json::from_str::<BucketRecord>(&json).unwrap(), record);
    }
}
