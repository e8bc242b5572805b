//! Those who may not.

use std::time::{Duration, SystemTime};

use hayrack_e2e::api::Api;
use hayrack_e2e::http::{Answer, Request, exchange};
use hayrack_e2e::rack::Rack;
use hayrack_e2e::s3::S3;
use serde_json::{Value, json};

/// How somebody asks.
#[derive(Debug)]
pub struct Stranger {
    /// For messages.
    pub name: &'static str,
    /// The error codes that refuse this one; empty answers of HEAD aside.
    pub codes: &'static [&'static str],
    /// The bucket that its key is good for.
    pub own: Option<&'static str>,
    s3: S3,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Signed,
    Presigned(Duration),
    Unsigned,
}

impl Stranger {
    /// Sends a request this one's way.
    pub fn ask(&self, mut request: Request) -> Answer {
        let request = match self.way {
            Way::Signed => self.s3.sign(request),
            Way::Presigned(valid) => self.s3.presign(request, valid),
            Way::Unsigned => {
                request.headers.push(("host".into(), self.s3.host.clone()));
                request
            }
        };
        exchange(self.s3.address, &request).unwrap_or_else(|error| {
            let (method, target) = (&request.method, &request.target);
            panic!("{}: {method} {target} got no answer: {error:#}", self.name)
        })
    }
}

const DENIED: &[&str] = &["AccessDenied"];
const HOUR: Duration = Duration::from_hours(1);

/// Another tenant, who has a bucket `strangers-bucket`.
pub struct OtherTenant {
    pub api: Api,
    pub s3: S3,
}

impl OtherTenant {
    pub fn sign_up(rack: &Rack<'_>) -> Self {
        let api = Api::new(rack.site.api).sign_up("other@example.com", "a long password", "other");
        let key = created(&api, "/api/v1/keys", json!({ "namespace": "other" }));
        let s3 = with_key(rack, &key);
        assert_eq!(s3.put("/strangers-bucket", "").status, 200);
        Self { api, s3 }
    }
}

/// Everyone who may not touch the rack's first bucket.
pub fn all(rack: &Rack<'_>, other: &OtherTenant) -> Vec<Stranger> {
    let owner = rack.s3();
    let api = rack.api();
    let scoped = created(&api, "/api/v1/buckets", json!({ "name": "scoped-bucket" }));
    let mut forged = owner.clone();
    forged.secret_key = "a".repeat(40);
    let mut expired = owner.clone();
    expired.time = SystemTime::now() - 3 * HOUR;
    let stranger = |name, own, s3: &S3, way, codes| Stranger {
        name,
        codes,
        own,
        s3: s3.clone(),
        way,
    };
    let theirs = Some("strangers-bucket");
    let scope = Some("scoped-bucket");
    let (narrow, revoked) = (with_key(rack, &scoped), revoked(rack, &api));
    vec![
        stranger("another tenant", theirs, &other.s3, Way::Signed, DENIED),
        stranger(
            "another tenant's URL",
            theirs,
            &other.s3,
            Way::Presigned(HOUR),
            DENIED,
        ),
        stranger(
            "a key to another bucket",
            scope,
            &narrow,
            Way::Signed,
            DENIED,
        ),
        stranger("nobody", None, &owner, Way::Unsigned, DENIED),
        stranger(
            "a revoked key",
            None,
            &revoked,
            Way::Signed,
            &["InvalidAccessKeyId"],
        ),
        stranger(
            "a wrong secret",
            None,
            &forged,
            Way::Signed,
            &["SignatureDoesNotMatch"],
        ),
        stranger(
            "an expired URL",
            None,
            &expired,
            Way::Presigned(HOUR),
            DENIED,
        ),
    ]
}

fn revoked(rack: &Rack<'_>, api: &Api) -> S3 {
    let namespace = rack.var("HAYRACK_NAMESPACE");
    let key = created(api, "/api/v1/keys", json!({ "namespace": namespace }));
    let s3 = with_key(rack, &key);
    assert_eq!(s3.get(&rack.bucket()).status, 200, "the key works before");
    let id = key["accessKeyID"].as_str().expect("a key has an id");
    let (status, answer) = api.send("DELETE", &format!("/api/v1/keys/{id}"), None);
    assert!((200..300).contains(&status), "{answer}");
    s3
}

fn created(api: &Api, path: &str, body: Value) -> Value {
    let (status, answer) = api.send("POST", path, Some(body));
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

fn with_key(rack: &Rack<'_>, key: &Value) -> S3 {
    let text = |field: &str| key[field].as_str().expect("a key has its parts");
    S3::new(rack.site.s3, text("accessKeyID"), text("secretAccessKey"))
}
