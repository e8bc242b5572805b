//! What the rack knows of a bucket.

use s3d_bucket::{BucketId, CannedAcl, Timestamp};
use serde::{Deserialize, Serialize};

use s3d_names::BucketName;
use s3d_names::NamespaceName;

pub const PREFIX: &str = "s3d/bucket/";
pub const UNSETTLED: &str = "s3d/unsettled/";

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
    /// Who may list it.
    pub acl: CannedAcl,
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
    /// The bucket's id as text, 32 hex digits.
    pub fn id_text(&self) -> String {
        format!("{:032x}", self.id.0)
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

pub fn unsettled_key(name: &BucketName) -> String {
    format!("{UNSETTLED}{name}")
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
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let record = BucketRecord {
            id: BucketId(u128::MAX - 1),
            name: BucketName::new("my-bucket").unwrap(),
            namespace: NamespaceName::new("home").unwrap(),
            volume: "bucket-1".into(),
            status: Status::Provisioned,
            created: Timestamp(7),
            acl: CannedAcl::PublicRead,
        };
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("fffffffffffffffffffffffffffffffe"), "{json}");
        assert_eq!(serde_json::from_str::<BucketRecord>(&json).unwrap(), record);
    }
}
