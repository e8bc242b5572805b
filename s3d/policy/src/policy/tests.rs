use s3d_names::NamespaceName;

use super::*;
use crate::facts::Facts;

const PUBLIC: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
    "Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}"#;

/// A policy of one statement: `rest` follows its effect.
fn one(effect: &str, rest: &str) -> String {
    format!(r#"{{"Statement":{{"Effect":"{effect}",{rest}}}}}"#)
}

fn objects(effect: &str, condition: &str) -> Policy {
    let rest = format!(
        r#""Principal":{{"AWS":["*"]}},"Action":["s3:GetObject"],
        "Resource":["arn:aws:s3:::bucket/*"],"Condition":{{{condition}}}"#
    );
    Policy::new(one(effect, &rest)).expect("a policy")
}

fn refusal(text: &str) -> PolicyError {
    Policy::new(text).expect_err("no policy")
}

/// What a policy says of somebody's reading `bucket/key`.
fn read(policy: &Policy, facts: &Facts) -> Decision {
    policy.decide(&Question {
        who: Requester {
            namespace: None,
            acts_for_namespace: false,
        },
        action: "GetObject",
        bucket: "bucket",
        key: Some("key"),
        facts,
    })
}

fn fact(key: &str, value: &str) -> Facts {
    let mut facts = Facts::default();
    facts.add(key, value);
    facts
}

#[test]
fn a_policy_comes_back_as_it_was_set() {
    let policy = Policy::new(PUBLIC).expect("a policy");
    assert_eq!(policy.text(), PUBLIC);
    let stored = serde_json::to_string(&policy).expect("JSON");
    let back: Policy = serde_json::from_str(&stored).expect("the policy");
    assert_eq!(back, policy);
}

#[test]
fn actions_resources_and_principals_all_have_to_fit() {
    let policy = Policy::new(PUBLIC).expect("a policy");
    let facts = Facts::default();
    let question = Question {
        who: Requester {
            namespace: None,
            acts_for_namespace: false,
        },
        action: "GetObject",
        bucket: "bucket",
        key: Some("a/b"),
        facts: &facts,
    };
    assert_eq!(policy.decide(&question), Decision::Allowed);
    for other in [
        Question {
            action: "PutObject",
            ..question
        },
        Question {
            key: None,
            ..question
        },
        Question {
            bucket: "other",
            ..question
        },
    ] {
        assert_eq!(policy.decide(&other), Decision::Silent, "{other:?}");
    }
}

#[test]
fn a_denial_outweighs_all_that_allows() {
    let text = r#"{"Statement":[
        {"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"},
        {"Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::bucket/k*"},
        {"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"}]}"#;
    let policy = Policy::new(text).expect("a policy");
    assert_eq!(read(&policy, &Facts::default()), Decision::Denied);
}

#[test]
fn what_may_be_denied_below_a_prefix_is_found() {
    let text = r#"{"Statement":[
        {"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::bucket/*"},
        {"Effect":"Deny","Principal":{"AWS":"ours"},"Action":"s3:Delete*",
         "Resource":"arn:aws:s3:::bucket/kept/*/x","Condition":{"Bool":{"aws:SecureTransport":"false"}}},
        {"Effect":"Deny","Principal":"*","Action":"s3:PutObject",
         "NotResource":"arn:aws:s3:::bucket/free/*"}]}"#;
    let policy = Policy::new(text).expect("a policy");
    let ours = NamespaceName::new("ours").expect("a name");
    let theirs = NamespaceName::new("theirs").expect("a name");
    let may_deny = |namespace, action, prefix| {
        let who = Requester {
            namespace: Some(namespace),
            acts_for_namespace: true,
        };
        policy.may_deny_below(who, action, "bucket", prefix)
    };
    assert!(may_deny(&ours, "DeleteObject", "kept/"));
    assert!(may_deny(&ours, "DeleteObject", "k"));
    assert!(!may_deny(&ours, "DeleteObject", "keep/"));
    assert!(!may_deny(&theirs, "DeleteObject", "kept/"));
    assert!(!may_deny(&ours, "GetObject", "kept/"));
    assert!(may_deny(&theirs, "PutObject", "kept/"));
}

#[test]
fn what_is_not_named_is_all_the_rest() {
    let ours = NamespaceName::new("ours").expect("a name");
    let theirs = NamespaceName::new("theirs").expect("a name");
    let rest = r#""NotPrincipal":{"AWS":"ours"},"NotAction":"s3:GetObject",
        "NotResource":"arn:aws:s3:::bucket/free/*""#;
    let policy = Policy::new(one("Deny", rest)).expect("a policy");
    let decide = |namespace, acts_for_namespace, action, key| {
        let facts = Facts::default();
        policy.decide(&Question {
            who: Requester {
                namespace: Some(namespace),
                acts_for_namespace,
            },
            action,
            bucket: "bucket",
            key: Some(key),
            facts: &facts,
        })
    };
    assert_eq!(decide(&theirs, true, "PutObject", "k"), Decision::Denied);
    assert_eq!(decide(&theirs, true, "GetObject", "k"), Decision::Silent);
    assert_eq!(
        decide(&theirs, true, "PutObject", "free/k"),
        Decision::Silent
    );
    assert_eq!(decide(&ours, true, "PutObject", "k"), Decision::Silent);
    // A key of another bucket does not act for its namespace.
    assert_eq!(decide(&ours, false, "PutObject", "k"), Decision::Denied);
}

/// A condition, what the request has, and whether the condition holds.
const COMPARISONS: &str = r#"
    "StringEquals":{"aws:Referer":"a*"}              | aws:referer=ab | no
    "StringEquals":{"aws:Referer":["b","ab"]}        | aws:referer=ab | yes
    "StringNotEquals":{"aws:Referer":["b","ab"]}     | aws:referer=ab | no
    "StringNotEquals":{"aws:Referer":"b"}            | aws:referer=ab | yes
    "StringNotEquals":{"aws:Referer":"b"}            | aws:useragent=x | yes
    "StringEqualsIgnoreCase":{"AWS:referer":"AB"}    | aws:Referer=aB | yes
    "StringLike":{"aws:Referer":"http://*.org/*"}    | aws:referer=http://a.org/ | yes
    "StringLike":{"aws:Referer":"a"}                 | aws:useragent=x | no
    "StringLikeIfExists":{"aws:Referer":"a"}         | aws:useragent=x | yes
    "StringLikeIfExists":{"aws:Referer":"a"}         | aws:referer=x | no
    "Null":{"aws:Referer":"true"}                    | aws:useragent=x | yes
    "Null":{"aws:Referer":true}                      | aws:referer=x | no
    "Null":{"aws:Referer":"false"}                   | aws:referer=x | yes
    "NumericLessThanEquals":{"s3:max-keys":10}       | s3:max-keys=10 | yes
    "NumericLessThanEquals":{"s3:max-keys":"10"}     | s3:max-keys=11 | no
    "NumericNotEquals":{"s3:max-keys":"10"}          | s3:max-keys=x | yes
    "Bool":{"aws:SecureTransport":"false"}           | aws:securetransport=false | yes
    "Bool":{"aws:SecureTransport":true}              | aws:securetransport=false | no
    "IpAddress":{"aws:SourceIp":"192.0.2.0/24"}      | aws:sourceip=192.0.2.9 | yes
    "NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}   | aws:sourceip=192.0.2.9 | no
    "DateLessThan":{"aws:CurrentTime":"2026-01-31T00:00:00Z"} | aws:currenttime=2026-01-30T23:59:59Z | yes
    "DateGreaterThan":{"aws:EpochTime":"2026-01-31"} | aws:epochtime=0 | no
    "StringEquals":{"s3:ExistingObjectTag/A":"1"}    | s3:ExistingObjectTag/A=1 | yes
    "StringEquals":{"s3:ExistingObjectTag/A":"1"}    | s3:ExistingObjectTag/a=1 | no
"#;

#[test]
fn conditions_compare_what_the_request_has() {
    for line in COMPARISONS.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [condition, has, holds] = cells[..] else {
            panic!("a line has three cells: {line}");
        };
        let (key, value) = has.split_once('=').expect("a key and its value");
        let expected = match holds {
            "yes" => Decision::Allowed,
            _ => Decision::Silent,
        };
        let policy = objects("Allow", condition);
        assert_eq!(read(&policy, &fact(key, value)), expected, "{line}");
    }
}

#[test]
fn all_conditions_of_a_statement_have_to_hold() {
    let policy = objects(
        "Allow",
        r#""StringEquals":{"aws:Referer":"a","aws:UserAgent":"b"},"Bool":{"aws:SecureTransport":"true"}"#,
    );
    let mut facts = fact("aws:Referer", "a");
    facts.add("aws:UserAgent", "b");
    assert_eq!(read(&policy, &facts), Decision::Silent);
    facts.add("aws:SecureTransport", "true");
    assert_eq!(read(&policy, &facts), Decision::Allowed);
}

#[test]
fn a_condition_can_be_on_several_values_of_a_request() {
    let holds = |operator: &str, tags: &[&str]| {
        let condition = format!(r#""{operator}":{{"s3:RequestObjectTagKeys":["a","b"]}}"#);
        let mut facts = Facts::default();
        for tag in tags {
            facts.add("s3:RequestObjectTagKeys", *tag);
        }
        read(&objects("Allow", &condition), &facts) == Decision::Allowed
    };
    assert!(holds("ForAllValues:StringEquals", &["a", "b"]));
    assert!(!holds("ForAllValues:StringEquals", &["a", "c"]));
    assert!(holds("ForAllValues:StringEquals", &[]));
    assert!(holds("ForAnyValue:StringEquals", &["a", "c"]));
    assert!(!holds("ForAnyValue:StringEquals", &[]));
    assert!(holds("ForAnyValue:StringNotEquals", &["a", "c"]));
    assert!(!holds("ForAnyValue:StringNotEquals", &["a"]));
    assert!(!holds("ForAllValues:StringNotEquals", &["a", "c"]));
}

#[test]
fn tags_of_the_object_are_asked_for_only_where_they_matter() {
    let policy = objects(
        "Deny",
        r#""StringEquals":{"s3:ExistingObjectTag/secret":"yes"}"#,
    );
    assert!(policy.looks_at_tags() && !Policy::new(PUBLIC).expect("a policy").looks_at_tags());
    let mut facts = Facts::default();
    facts.set_existing_tags(&[("secret".into(), "yes".into())]);
    assert_eq!(read(&policy, &facts), Decision::Denied);
    facts.set_existing_tags(&[("secret".into(), "no".into())]);
    assert_eq!(read(&policy, &facts), Decision::Silent);
    let rest = r#""Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/*",
        "Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"1"}}"#;
    assert_eq!(refusal(&one("Deny", rest)), PolicyError::NoTags);
}

#[test]
fn what_everyone_may_do_from_anywhere_is_public() {
    assert!(Policy::new(PUBLIC).expect("a policy").is_public());
    for (condition, public) in [
        (r#""IpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, false),
        (
            r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/0"]}"#,
            true,
        ),
        (r#""IpAddress":{"aws:SourceIp":[]}"#, true),
        (r#""IpAddressIfExists":{"aws:SourceIp":"10.0.0.0/8"}"#, true),
        (r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, true),
        (r#""StringEquals":{"aws:PrincipalAccount":"ours"}"#, false),
        (r#""StringLike":{"aws:PrincipalAccount":"o*"}"#, true),
        (r#""StringEquals":{"aws:Referer":"a"}"#, true),
    ] {
        assert_eq!(
            objects("Allow", condition).is_public(),
            public,
            "{condition}"
        );
    }
    assert!(!objects("Deny", "").is_public());
}

#[test]
fn what_is_not_understood_is_refused() {
    let resource = r#""Resource":"arn:aws:s3:::bucket""#;
    let with = |rest: &str| {
        one(
            "Allow",
            &format!(r#""Principal":"*","Action":"s3:*",{rest}"#),
        )
    };
    let conditioned = |condition: &str| with(&format!(r#"{resource},"Condition":{{{condition}}}"#));
    assert!(matches!(refusal(""), PolicyError::Json(_)));
    assert!(matches!(refusal("[]"), PolicyError::Json(_)));
    assert_eq!(refusal(r#"{"Statement":[]}"#), PolicyError::NoStatement);
    assert_eq!(
        refusal(&PUBLIC.replace("2012", "2013")),
        PolicyError::Version("2013-10-17".into())
    );
    assert_eq!(
        refusal(&PUBLIC.replace("Allow", "allow")),
        PolicyError::Effect("allow".into())
    );
    assert_eq!(
        refusal(&with("\"Resource\":[]")),
        PolicyError::Either("Resource")
    );
    assert_eq!(
        refusal(&with(r#""Condition":{}"#)),
        PolicyError::Either("Resource")
    );
    let both = format!(r#"{resource},"NotAction":"s3:*""#);
    assert_eq!(refusal(&with(&both)), PolicyError::Either("Action"));
    let all_but = PUBLIC.replace(r#""Principal":"*""#, r#""NotPrincipal":{"AWS":"ours"}"#);
    assert_eq!(refusal(&all_but), PolicyError::AllowedByExclusion);
    assert_eq!(
        refusal(&conditioned(r#""StringEqual":{"aws:Referer":"a"}"#)),
        PolicyError::Operator("StringEqual".into())
    );
    assert_eq!(
        refusal(&conditioned(r#""StringEquals":{"aws:Referrer":"a"}"#)),
        PolicyError::ConditionKey("aws:Referrer".into())
    );
    assert_eq!(
        refusal(&conditioned(r#""NumericEquals":{"s3:max-keys":"many"}"#)),
        PolicyError::Value {
            operator: "NumericEquals".into(),
            value: "many".into()
        }
    );
    assert_eq!(
        refusal(&conditioned(
            r#""StringLike":{"aws:Referer":"${aws:username}"}"#
        )),
        PolicyError::Variable("${aws:username}".into())
    );
    let long = PUBLIC.replace("bucket/", &"b".repeat(MAX_LENGTH));
    assert_eq!(refusal(&long), PolicyError::TooLong);
}

#[test]
fn a_mistake_in_json_is_named() {
    let says = |text: &str, part: &str| {
        let refused = refusal(text).to_string();
        assert!(refused.contains(part), "{refused}");
    };
    says(
        &PUBLIC.replace("Effect", "effect"),
        "unknown field `effect`",
    );
    says(r#"{"Version":"2012-10-17"}"#, "missing field `Statement`");
    says(r#"{"Statement":"x"}"#, "expected struct Statement");
    says(
        &PUBLIC.replace(r#""Action""#, r#""Resource":"a","Action""#),
        "duplicate field `Resource`",
    );
    says(
        &one(
            "Allow",
            r#""Principal":"*","Action":"*","Resource":"*",
            "Condition":{"Bool":{},"Bool":{}}"#,
        ),
        "Bool is there twice",
    );
}

#[test]
fn a_policy_is_about_its_own_bucket() {
    let policy = Policy::new(PUBLIC).expect("a policy");
    assert_eq!(policy.check_bucket("bucket"), Ok(()));
    let other = policy.check_bucket("other");
    assert!(matches!(other, Err(PolicyError::Resource(_))));
}
