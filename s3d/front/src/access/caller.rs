//! Who asks, and what bucket policies say of that.

use std::sync::Arc;

use s3d_accounts::{Access as KeyAccess, Key, Scope};
use s3d_buckets::BucketRecord;
use s3d_policy::{Decision, Facts, Question};

use super::need::LIST_BUCKET;
use crate::acl::{self, Requester};
use s3d_bucket::Permission;

/// Who asks, and how.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The key that signed the request.
    pub key: Option<Arc<Key>>,
    /// What policies can ask of the request; empty if none is asked.
    facts: Arc<Facts>,
}

impl Caller {
    /// Whose key signed a request, of which this is known.
    pub fn new(key: Option<Arc<Key>>, facts: Facts) -> Self {
        Self {
            key,
            facts: Arc::new(facts),
        }
    }

    /// Whether a bucket is the caller's.
    pub fn owns(&self, bucket: &BucketRecord) -> bool {
        self.key.as_ref().is_some_and(|key| covers(key, bucket))
    }

    /// Whether the caller may do all that the owner of a bucket may.
    pub fn is_owner(&self, bucket: &BucketRecord) -> bool {
        let whole =
            |key: &Arc<Key>| key.scope == Scope::Namespace && key.access != KeyAccess::ReadOnly;
        self.owns(bucket) && self.key.as_ref().is_some_and(whole)
    }

    /// In whose name the caller acts on a bucket.
    pub fn requester<'a>(&'a self, bucket: &BucketRecord) -> Requester<'a> {
        match self.key.as_deref() {
            None => Requester::Anonymous,
            Some(key) if scope_covers(&key.scope, bucket) => {
                Requester::Namespace(key.namespace.as_str())
            }
            Some(_) => Requester::Stranger,
        }
    }

    /// What the policy of a bucket says of an action on it, or on an object in it.
    pub fn decide(&self, bucket: &BucketRecord, action: &str, key: Option<&str>) -> Decision {
        self.decide_by(&self.facts, bucket, action, key)
    }

    /// The same for an object that has these tags.
    pub fn decide_with_tags(
        &self,
        bucket: &BucketRecord,
        action: &str,
        key: &str,
        tags: &[(String, String)],
    ) -> Decision {
        let policy = bucket.settings.policy.as_ref();
        if !policy.is_some_and(s3d_policy::Policy::looks_at_tags) {
            return self.decide(bucket, action, Some(key));
        }
        let mut facts = Facts::clone(&self.facts);
        facts.set_existing_tags(tags);
        self.decide_by(&facts, bucket, action, Some(key))
    }

    /// Whether the caller may learn that there is no object of this key: who may list it may.
    pub fn may_miss(&self, bucket: &BucketRecord, key: &str) -> bool {
        let mut facts = Facts::clone(&self.facts);
        facts.add("s3:prefix", key);
        let granted = acl::bucket_allows(bucket, self.requester(bucket), Permission::Read);
        self.decide_by(&facts, bucket, LIST_BUCKET, None)
            .or(granted)
    }

    fn decide_by(
        &self,
        facts: &Facts,
        bucket: &BucketRecord,
        action: &str,
        key: Option<&str>,
    ) -> Decision {
        let Some(policy) = &bucket.settings.policy else {
            return Decision::Silent;
        };
        let who = s3d_policy::Requester {
            namespace: self.key.as_ref().map(|key| &key.namespace),
            acts_for_namespace: matches!(self.requester(bucket), Requester::Namespace(_)),
        };
        let decision = policy.decide(&Question {
            who,
            action,
            bucket: bucket.name.as_str(),
            key,
            facts,
        });
        let block = bucket.settings.public_access_block.unwrap_or_default();
        let counts = !block.restrict_public_buckets || self.owns(bucket) || !policy.is_public();
        match decision {
            Decision::Allowed if !counts => Decision::Silent,
            decision => decision,
        }
    }
}

/// Whether a key may touch a bucket.
pub fn covers(key: &Key, bucket: &BucketRecord) -> bool {
    scope_covers(&key.scope, bucket) && key.namespace == bucket.namespace
}

fn scope_covers(scope: &Scope, bucket: &BucketRecord) -> bool {
    match scope {
        Scope::Namespace => true,
        Scope::Bucket(only) => *only == bucket.name,
    }
}
