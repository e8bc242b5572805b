//! The policy of a form: what whoever signed it lets others post ("POST policy", AWS Signature
//! Version 4).

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fields::Fields;
use crate::checksum;

/// Fields that no condition must cover: what signs the policy, and what it cannot know. Nor must one
/// cover a checksum, which can only have fewer files taken.
const UNCOVERED: [&str; 5] = [
    "x-amz-signature",
    "signature",
    "awsaccesskeyid",
    "policy",
    "file",
];

/// Why a policy does not allow a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("invalid policy: {0}")]
    Malformed(&'static str),
    /// Its time is over.
    #[error("invalid according to policy: policy expired")]
    Expired,
    /// A condition does not hold.
    #[error("invalid according to policy: policy condition failed: {0}")]
    Condition(String),
    /// A field that no condition covers.
    #[error("invalid according to policy: extra input field: {0}")]
    Uncovered(String),
}

/// A policy.
#[derive(Debug)]
pub struct Policy {
    expires: OffsetDateTime,
    conditions: Vec<Condition>,
    /// How many bytes the file may have.
    pub length: RangeInclusive<u64>,
}

#[derive(Debug)]
struct Condition {
    /// In lower case.
    field: String,
    value: String,
    /// Whether the field's value may go on behind it.
    prefix: bool,
}

#[derive(Deserialize)]
struct Document {
    expiration: String,
    conditions: Vec<Value>,
}

impl Policy {
    /// Reads a policy: JSON in base64.
    pub fn read(encoded: &str) -> Result<Self, PolicyError> {
        let compact: String = encoded.split_ascii_whitespace().collect();
        let json = STANDARD.decode(compact);
        let json = json.map_err(|_| PolicyError::Malformed("it is not base64"))?;
        let document: Document = serde_json::from_slice(&json).map_err(|_| {
            PolicyError::Malformed("it is no JSON object with expiration and conditions")
        })?;
        let expires = expiration(&document.expiration)
            .ok_or(PolicyError::Malformed("expiration is no time in ISO 8601"))?;
        let mut policy = Self {
            expires,
            conditions: Vec::new(),
            length: 0..=u64::MAX,
        };
        for condition in &document.conditions {
            policy.add(condition)?;
        }
        Ok(policy)
    }

    fn add(&mut self, condition: &Value) -> Result<(), PolicyError> {
        const MALFORMED: PolicyError = PolicyError::Malformed("a condition cannot be read");
        match condition {
            Value::Object(pairs) if !pairs.is_empty() => {
                for (field, value) in pairs {
                    let value = value.as_str().ok_or(MALFORMED)?;
                    self.conditions.push(Condition {
                        field: field.to_ascii_lowercase(),
                        value: value.to_owned(),
                        prefix: false,
                    });
                }
                Ok(())
            }
            Value::Array(items) => {
                let [operator, first, second] = &items[..] else {
                    return Err(MALFORMED);
                };
                let operator = operator.as_str().ok_or(MALFORMED)?.to_ascii_lowercase();
                if operator == "content-length-range" {
                    let least = number(first).ok_or(MALFORMED)?;
                    let most = number(second).ok_or(MALFORMED)?;
                    self.length = least.max(*self.length.start())..=most.min(*self.length.end());
                    return Ok(());
                }
                let field = first.as_str().and_then(|field| field.strip_prefix('$'));
                self.conditions.push(Condition {
                    field: field.ok_or(MALFORMED)?.to_ascii_lowercase(),
                    value: second.as_str().ok_or(MALFORMED)?.to_owned(),
                    prefix: match operator.as_str() {
                        "eq" => false,
                        "starts-with" => true,
                        _ => return Err(MALFORMED),
                    },
                });
                Ok(())
            }
            _ => Err(MALFORMED),
        }
    }

    /// Checks that the policy allows a form that is posted to `bucket`; but for the length of its
    /// file, which is not known yet.
    pub fn check(
        &self,
        fields: &Fields,
        bucket: &str,
        now: OffsetDateTime,
    ) -> Result<(), PolicyError> {
        if now >= self.expires {
            return Err(PolicyError::Expired);
        }
        for condition in &self.conditions {
            let value = match condition.field.as_str() {
                "bucket" => Some(bucket),
                field => fields.get(field),
            };
            let holds = value.is_some_and(|value| {
                if condition.prefix {
                    value.starts_with(&condition.value)
                } else {
                    value == condition.value
                }
            });
            if !holds {
                let (field, value) = (&condition.field, &condition.value);
                let operator = if condition.prefix {
                    "starts-with"
                } else {
                    "eq"
                };
                let text = format!("[\"{operator}\", \"${field}\", \"{value}\"]");
                return Err(PolicyError::Condition(text));
            }
        }
        let covered = |field: &str| self.conditions.iter().any(|it| it.field == field);
        let must_be = |field: &&str| {
            let narrows = checksum::of_header(field).is_some();
            !UNCOVERED.contains(field) && !field.starts_with("x-ignore-") && !narrows
        };
        let names = fields.names().filter(must_be).chain(["bucket"]);
        match names.into_iter().find(|field| !covered(field)) {
            Some(field) => Err(PolicyError::Uncovered(field.to_owned())),
            None => Ok(()),
        }
    }
}

/// A time in ISO 8601. RFC 3339 would also let a space stand for the `T`; S3 does not.
fn expiration(text: &str) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    text.contains('T').then_some(time)
}

/// A number of bytes; some libraries write it as a string.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<Policy, PolicyError> {
        Policy::read(&STANDARD.encode(json))
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.add(name, (*value).to_owned());
        }
        fields
    }

    fn check(conditions: &str, pairs: &[(&str, &str)]) -> Result<(), PolicyError> {
        let json =
            format!(r#"{{"expiration":"2026-01-01T00:00:00Z","conditions":[{conditions}]}}"#);
        let before = OffsetDateTime::from_unix_timestamp(1_767_225_599).expect("a time");
        policy(&json)?.check(&fields(pairs), "b", before)
    }

    #[test]
    fn a_form_within_its_policy_is_allowed() {
        let conditions = r#"{"bucket":"b"},["StArTs-WiTh","$KeY","foo"],["eq","$acl","private"],
                            ["content-length-range",0,10]"#;
        let form = [
            ("Key", "foo.txt"),
            ("acl", "private"),
            ("policy", "x"),
            ("AWSAccessKeyId", "x"),
            ("signature", "x"),
            ("X-Ignore-This", "x"),
        ];
        assert_eq!(check(conditions, &form), Ok(()));
    }

    #[test]
    fn what_the_policy_does_not_allow_is_named() {
        let all = r#"{"bucket":"b"},["starts-with","$key",""]"#;
        let key = [("key", "foo")];
        assert_eq!(check(all, &key), Ok(()));
        let missing = check(r#"["starts-with","$key",""]"#, &key);
        assert_eq!(missing, Err(PolicyError::Uncovered("bucket".into())));
        let extra = check(all, &[("key", "foo"), ("x-amz-meta-a", "b")]);
        assert_eq!(extra, Err(PolicyError::Uncovered("x-amz-meta-a".into())));
        // A checksum only narrows; which algorithm is to be computed is something else.
        let narrower = [("key", "foo"), ("x-amz-checksum-sha256", "x")];
        assert_eq!(check(all, &narrower), Ok(()));
        let named = "x-amz-checksum-algorithm";
        let more = check(all, &[("key", "foo"), (named, "SHA256")]);
        assert_eq!(more, Err(PolicyError::Uncovered(named.into())));
        let other = check(r#"{"bucket":"c"},{"key":"foo"}"#, &key);
        assert_eq!(
            other,
            Err(PolicyError::Condition(r#"["eq", "$bucket", "c"]"#.into()))
        );
        let absent = format!(r#"{all},["starts-with","$x-amz-meta-a",""]"#);
        assert!(matches!(
            check(&absent, &key),
            Err(PolicyError::Condition(_))
        ));
    }

    #[test]
    fn a_policy_lives_until_its_expiration() {
        let json = r#"{"expiration":"2026-01-01T00:00:00.000Z","conditions":[{"bucket":"b"}]}"#;
        let policy = policy(json).expect("a policy");
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
        let none = Fields::default();
        assert_eq!(policy.check(&none, "b", at(1_767_225_599)), Ok(()));
        let expired = policy.check(&none, "b", at(1_767_225_600));
        assert_eq!(expired, Err(PolicyError::Expired));
    }

    #[test]
    fn the_length_is_bounded() {
        let json = r#"{"expiration":"2026-01-01T00:00:00Z",
                       "conditions":[["content-length-range","2",10]]}"#;
        assert_eq!(policy(json).expect("a policy").length, 2..=10);
    }

    #[test]
    fn malformed_policies_are_refused() {
        let expiration = r#""expiration":"2026-01-01T00:00:00Z""#;
        for json in [
            "",
            "{}",
            r#"{"conditions":[]}"#,
            &format!("{{{expiration}}}"),
            &format!(r#"{{{expiration},"CONDITIONS":[]}}"#),
            r#"{"expiration":"tomorrow","conditions":[]}"#,
            r#"{"expiration":"2026-11-28 08:00:00.123+00:00","conditions":[]}"#,
            r#"{"expiration":"2026-11-28T08:00:00","conditions":[]}"#,
            &format!(r#"{{{expiration},"conditions":[{{}}]}}"#),
            &format!(r#"{{{expiration},"conditions":[["content-length-range",0]]}}"#),
            &format!(r#"{{{expiration},"conditions":[["content-length-range",-1,0]]}}"#),
            &format!(r#"{{{expiration},"conditions":[["ends-with","$key","a"]]}}"#),
            &format!(r#"{{{expiration},"conditions":[["eq","key","a"]]}}"#),
        ] {
            let refusal = policy(json).map(drop);
            assert!(matches!(refusal, Err(PolicyError::Malformed(_))), "{json}");
        }
        assert!(Policy::read("%").is_err());
    }
}
