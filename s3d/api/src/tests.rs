use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use volumed_meta::SqliteStore;

use super::*;
use s3d_buckets::BucketSettings;
use s3d_buckets::fake_volumes::FakeVolumes;
use s3d_names::NamespaceName;

struct Api {
    router: Router,
    volumes: Arc<FakeVolumes>,
    _folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn text(&self, field: &str) -> &str {
        self.body[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }

    #[track_caller]
    fn refuses(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status.as_u16(), &self.body["code"]),
            (status, &json!(code)),
            "{}",
            self.body
        );
        assert!(
            self.text("message").ends_with('.'),
            "a sentence: {}",
            self.body
        );
        assert!(self.body["fields"].is_object());
        self
    }

    #[track_caller]
    fn names(&self, fields: &[&str]) {
        let named: Vec<&String> = self.body["fields"].as_object().unwrap().keys().collect();
        assert_eq!(named, fields);
    }
}

impl Api {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
        let accounts = Arc::new(Accounts::open(store.clone(), folder.path()).unwrap());
        let volumes = Arc::new(FakeVolumes::default());
        let settings = BucketSettings {
            patience: std::time::Duration::from_millis(50),
            ..BucketSettings::default()
        };
        let buckets = Buckets::start(store, accounts.clone(), volumes.clone(), settings);
        let endpoint = Endpoint {
            scheme: "http",
            domain: "example.com".into(),
            port: 9000,
        };
        let router = router(ApiState {
            accounts,
            buckets,
            endpoint,
        });
        Self {
            router,
            volumes,
            _folder: folder,
        }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: impl Into<Body>) -> Answer {
        let peer: SocketAddr = "127.0.0.1:5".parse().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(ConnectInfo(peer));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.into()).unwrap();
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send("POST", path, token, body.to_string()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, Body::empty()).await
    }

    async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send("DELETE", path, token, Body::empty()).await
    }

    async fn user(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        let user = json!({"email": email, "password": "correct horse"});
        let answer = self.post("/api/v1/auth/sign-up", "", user.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let answer = self.post("/api/v1/auth/login", "", user).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.text("accessToken").to_owned()
    }
}

fn canonical_id(namespace: &str) -> String {
    NamespaceName::new(namespace).unwrap().canonical_id()
}

#[tokio::test]
async fn from_nothing_to_a_bucket_and_back() {
    let api = Api::new();
    let sign_up = json!({"email": "Ada@example.com", "password": "correct horse"});
    let answer = api.post("/api/v1/auth/sign-up", "", sign_up).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        (answer.text("email"), answer.text("namespace")),
        ("ada@example.com", "ada")
    );
    let login = json!({"email": "ada@example.com", "password": "correct horse"});
    let answer = api.post("/api/v1/auth/login", "", login).await;
    let token = answer.text("accessToken");

    let created = api
        .post("/buckets", token, json!({"name": "s3-test-bucket"}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(
        created.text("endpoint"),
        "http://s3-test-bucket.ada.s3.example.com:9000"
    );
    assert_eq!(
        (created.text("namespace"), created.text("status")),
        ("ada", "Provisioned")
    );
    assert_eq!(created.text("secretAccessKey").len(), 40);

    let shown = api.get("/api/v1/buckets/s3-test-bucket", token).await;
    assert_eq!(shown.text("id"), created.text("id"));
    assert!(shown.body.get("secretAccessKey").is_none());
    let listed = api.get("/api/v1/buckets", token).await;
    assert_eq!(listed.body["buckets"], json!([shown.body]));
    let keys = api.get("/api/v1/keys", token).await;
    let key = &keys.body["keys"][0];
    assert_eq!(key["accessKeyID"], created.body["accessKeyID"]);
    assert_eq!(key["scope"], json!({"bucket": "s3-test-bucket"}));
    assert!(
        !keys
            .body
            .to_string()
            .contains(created.text("secretAccessKey"))
    );

    let deleted = api.delete("/api/v1/buckets/s3-test-bucket", token).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(api.volumes.count(), 0);
    api.get("/api/v1/buckets/s3-test-bucket", token)
        .await
        .refuses(404, "NoSuchBucket");
    assert_eq!(api.get("/api/v1/keys", token).await.body["keys"], json!([]));
    let me = api.get("/api/v1/user", token).await;
    assert_eq!(
        me.body["namespaces"],
        json!([{"name": "ada", "canonicalId": canonical_id("ada"), "role": "owner"}])
    );
    let created = me.text("created");
    assert!(
        created.starts_with("20") && created.ends_with('Z'),
        "{created}"
    );
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let api = Api::new();
    let path = "/api/v1/auth/sign-up";
    let answer = api.post(path, "", json!({})).await;
    answer
        .refuses(400, "InvalidFields")
        .names(&["email", "password"]);
    let wrong = json!({"email": "ada", "password": "short", "namespace": "www", "role": "admin"});
    let answer = api.post(path, "", wrong).await;
    answer
        .refuses(400, "InvalidFields")
        .names(&["email", "namespace", "password", "role"]);
    let wrong = json!({"email": 7, "password": ["x"], "namespace": {}});
    let answer = api.post(path, "", wrong).await;
    answer
        .refuses(400, "InvalidFields")
        .names(&["email", "namespace", "password"]);
    let null = json!({"email": null, "password": "correct horse", "namespace": null});
    api.post(path, "", null)
        .await
        .refuses(400, "InvalidFields")
        .names(&["email"]);
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let api = Api::new();
    for body in [
        "",
        "{",
        "[1]",
        "\"x\"",
        "null",
        "name=x",
        "{\"a\":1}x",
        "\u{0}",
    ] {
        let answer = api.send("POST", "/api/v1/auth/login", "", body).await;
        answer.refuses(400, "InvalidJSON");
    }
    let invalid_utf8 = b"{\"email\":\"\xff\"}".to_vec();
    api.send("POST", "/api/v1/auth/login", "", invalid_utf8)
        .await
        .refuses(400, "InvalidJSON");
    let large = "x".repeat(20_000);
    api.send("POST", "/api/v1/auth/login", "", large)
        .await
        .refuses(413, "BodyTooLarge");
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let api = Api::new();
    let paths = [
        "/api/v1/user",
        "/api/v1/buckets",
        "/buckets",
        "/buckets/x",
        "/api/v1/keys",
        "/api/v1/namespaces",
    ];
    for path in paths {
        let answer = api.get(path, "").await;
        answer.refuses(401, "TokenMissing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        api.get(path, "a.b.c").await.refuses(401, "TokenInvalid");
    }
    let answer = api
        .post("/buckets", "garbage", json!({"name": "abc"}))
        .await;
    answer.refuses(401, "TokenInvalid");
    api.delete("/api/v1/keys/HRX", "")
        .await
        .refuses(401, "TokenMissing");
}

#[tokio::test]
async fn sign_in_does_not_tell_who_has_an_account() {
    let api = Api::new();
    api.user("ada").await;
    let mut bodies = Vec::new();
    for email in ["ada@example.com", "eve@example.com", "not an address"] {
        let login = json!({"email": email, "password": "wrong password"});
        let answer = api.post("/api/v1/auth/login", "", login).await;
        answer.refuses(401, "WrongCredentials");
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0], bodies[2]);
}

#[tokio::test]
async fn attempts_are_limited() {
    let api = Api::new();
    let login = json!({"email": "eve@example.com", "password": "wrong password"});
    for _ in 0..10 {
        api.post("/api/v1/auth/login", "", login.clone())
            .await
            .refuses(401, "WrongCredentials");
    }
    let answer = api.post("/api/v1/auth/login", "", login).await;
    answer.refuses(429, "TooManyAttempts");
    let after: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=31).contains(&after));
}

#[tokio::test]
async fn other_tenants_are_out_of_reach() {
    let api = Api::new();
    let (ada, eve) = (api.user("ada").await, api.user("eve").await);
    let bucket = api
        .post("/buckets", &ada, json!({"name": "adas-bucket"}))
        .await;
    let key = bucket.text("accessKeyID");

    api.get("/buckets/adas-bucket", &eve)
        .await
        .refuses(404, "NoSuchBucket");
    api.delete("/buckets/adas-bucket?force=true", &eve)
        .await
        .refuses(404, "NoSuchBucket");
    api.delete(&format!("/api/v1/keys/{key}"), &eve)
        .await
        .refuses(404, "NoSuchKey");
    let scope = json!({"scope": {"bucket": "adas-bucket"}});
    api.post("/api/v1/keys", &eve, scope)
        .await
        .refuses(404, "NoSuchBucket");
    let theirs = json!({"namespace": "ada"});
    api.post("/api/v1/keys", &eve, theirs)
        .await
        .refuses(404, "NoSuchNamespace");
    let theirs = json!({"name": "eves-bucket", "namespace": "ada"});
    api.post("/buckets", &eve, theirs)
        .await
        .refuses(404, "NoSuchNamespace")
        .names(&["namespace"]);
    let taken = api
        .post("/buckets", &eve, json!({"name": "adas-bucket"}))
        .await;
    taken.refuses(409, "BucketAlreadyExists").names(&["name"]);
    assert_eq!(api.get("/buckets", &eve).await.body["buckets"], json!([]));
    assert_eq!(
        api.get("/buckets?namespace=ada", &eve).await.body["buckets"],
        json!([])
    );
    assert_eq!(api.get("/api/v1/keys", &eve).await.body["keys"], json!([]));
    assert_eq!(
        api.get("/buckets/adas-bucket", &ada).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn names_are_checked_and_taken_once() {
    let api = Api::new();
    let ada = api.user("ada").await;
    for name in [
        "ab",
        "Upper",
        "a_b",
        "..",
        "192.168.1.1",
        "xn--a",
        "console",
        "a\u{0}b",
    ] {
        let answer = api.post("/buckets", &ada, json!({"name": name})).await;
        answer.refuses(400, "InvalidFields").names(&["name"]);
    }
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let again = api.post("/buckets", &ada, json!({"name": "first"})).await;
    again
        .refuses(409, "BucketAlreadyOwnedByYou")
        .names(&["name"]);
    let again = json!({"email": "ada@example.com", "password": "correct horse"});
    let answer = api.post("/api/v1/auth/sign-up", "", again).await;
    answer.refuses(409, "EmailTaken").names(&["email"]);
    let taken = json!({"email": "b@example.com", "password": "correct horse", "namespace": "ada"});
    let answer = api.post("/api/v1/auth/sign-up", "", taken).await;
    answer.refuses(409, "NamespaceTaken").names(&["namespace"]);
    for path in ["/buckets/..%2f..%2fx", "/buckets/%00", "/buckets/ABC"] {
        api.get(path, &ada).await.refuses(404, "NoSuchBucket");
    }
    api.get("/buckets/%ff", &ada)
        .await
        .refuses(404, "NoSuchCall");
    let dotted = api
        .post("/buckets", &ada, json!({"name": "my.bucket"}))
        .await;
    assert_eq!(dotted.text("endpoint"), "http://s3.example.com:9000");
}

#[tokio::test]
async fn several_namespaces_need_a_name() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let second = api
        .post("/api/v1/namespaces", &ada, json!({"name": "work"}))
        .await;
    assert_eq!(
        second.body,
        json!({"name": "work", "canonicalId": canonical_id("work"), "role": "owner"})
    );
    let again = api
        .post("/api/v1/namespaces", &ada, json!({"name": "work"}))
        .await;
    again.refuses(409, "NamespaceTaken").names(&["name"]);
    assert_eq!(
        api.get("/api/v1/namespaces", &ada).await.body["namespaces"][1]["name"],
        "work"
    );

    let unclear = api.post("/buckets", &ada, json!({"name": "first"})).await;
    unclear.refuses(400, "InvalidFields").names(&["namespace"]);
    let clear = json!({"name": "first", "namespace": "work"});
    assert_eq!(
        api.post("/buckets", &ada, clear).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        api.get("/buckets?namespace=ada", &ada).await.body["buckets"],
        json!([])
    );

    let key = api
        .post("/api/v1/keys", &ada, json!({"namespace": "work"}))
        .await;
    assert_eq!(
        (&key.body["scope"], key.status),
        (&json!("namespace"), StatusCode::CREATED)
    );
    let path = format!("/api/v1/keys/{}", key.text("accessKeyID"));
    assert_eq!(api.delete(&path, &ada).await.status, StatusCode::NO_CONTENT);
    api.delete(&path, &ada).await.refuses(404, "NoSuchKey");
    for scope in [
        json!("all"),
        json!(7),
        json!({}),
        json!({"bucket": 7}),
        json!({"bucket": "A"}),
    ] {
        let answer = api
            .post("/api/v1/keys", &ada, json!({"scope": scope}))
            .await;
        answer.refuses(400, "InvalidFields");
    }
}

#[tokio::test]
async fn trouble_below_is_told_as_such() {
    let api = Api::new();
    let ada = api.user("ada").await;
    api.volumes.full.store(true, SeqCst);
    let full = api.post("/buckets", &ada, json!({"name": "first"})).await;
    full.refuses(507, "NoSpace");
    api.volumes.full.store(false, SeqCst);
    api.volumes.away.store(true, SeqCst);
    let later = api.post("/buckets", &ada, json!({"name": "second"})).await;
    assert_eq!(
        (later.status, later.text("status")),
        (StatusCode::CREATED, "Provisioning")
    );
    let wrong = api.delete("/buckets/second?force=yes", &ada).await;
    wrong.refuses(400, "InvalidFields").names(&["force"]);
}

#[tokio::test]
async fn every_documented_call_exists() {
    let api = Api::new();
    let document = api.get("/openapi.json", "").await.body;
    for (path, calls) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{name}", "some-name")
            .replace("{id}", "some-id");
        for method in ["get", "post", "put", "delete"] {
            let answer = api.send(&method.to_uppercase(), &path, "", "{}").await;
            let known = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(known, calls.get(method).is_some(), "{method} {path}");
            assert_ne!(answer.body["code"], "NoSuchCall", "{method} {path}");
        }
    }
    api.get("/api/v1/nothing", "")
        .await
        .refuses(404, "NoSuchCall");
    api.delete("/api/v1/user", "")
        .await
        .refuses(405, "MethodNotAllowed");
    assert_eq!(api.get("/healthz", "").await.status, StatusCode::OK);
}
