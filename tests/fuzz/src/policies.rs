//! Bucket policies: the input is the policy, a NUL, and the key that somebody wants to read.

use s3d_names::NamespaceName;
use s3d_policy::{Decision, Facts, Policy, Question, Requester};

/// One policy, asked about one request.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (text, key) = text.split_once('\0').unwrap_or((text, "key"));
    let Ok(policy) = Policy::new(text) else {
        return;
    };
    assert_eq!(Policy::new(policy.text()).as_ref(), Ok(&policy));
    let namespace = NamespaceName::new("tenant").expect("a name");
    let mut facts = Facts::default();
    for (name, value) in [
        ("aws:SourceIp", "192.0.2.1"),
        ("aws:CurrentTime", "2026-01-31T00:00:00Z"),
        ("aws:Referer", key),
        ("s3:max-keys", "7"),
        ("s3:RequestObjectTagKeys", "a"),
        ("s3:RequestObjectTagKeys", key),
    ] {
        facts.add(name, value);
    }
    let decide = |namespace, acts_for_namespace| {
        policy.decide(&Question {
            who: Requester {
                namespace,
                acts_for_namespace,
            },
            action: "GetObject",
            bucket: "bucket",
            key: Some(key),
            facts: &facts,
        })
    };
    // A key may never do more where it does not act for its namespace, nor nobody more than a key.
    if decide(Some(&namespace), false) == Decision::Allowed {
        assert_eq!(decide(Some(&namespace), true), Decision::Allowed);
    }
    if decide(Some(&namespace), true) == Decision::Silent {
        assert_ne!(decide(None, false), Decision::Allowed);
    }
    policy.is_public();
    // Whether it is refused does not matter.
    let _ = policy.check_bucket("bucket");
}
