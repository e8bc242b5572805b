use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::SeqCst;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use s3d_accounts::{AccountSettings, NewUser, Password, SignUpPolicy};
use s3d_buckets::BucketSettings;
use s3d_buckets::fake_volumes::FakeVolumes;
use s3d_names::Email;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use volumed_meta::SqliteStore;

use super::*;

mod archive;
mod calls;
mod certificate_names;
mod document;
mod mail_links;
mod members;
mod operators;
mod prefixes;
mod rules;
mod session_list;
mod sessions;

/// Calls come from elsewhere.
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));

struct Api {
    router: Router,
    accounts: Arc<Accounts>,
    buckets: Arc<Buckets>,
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
        Self::with(AccountSettings::default())
    }

    fn with(settings: AccountSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
        let accounts = Accounts::open(store.clone(), folder.path(), settings).unwrap();
        let accounts = Arc::new(accounts);
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
            accounts: accounts.clone(),
            buckets: buckets.clone(),
            endpoint,
            audit: AuditLog::open(&folder.path().join("audit")).unwrap(),
            routers: vec![ROUTER.into()],
            volumed: AdminClient::new(folder.path().join("nobody.sock")),
            slots: Slots::default(),
            signing_keys: SigningKeys::default(),
            links: MailLinks::logged("http://rack.example"),
            archives: Archives::default(),
        });
        Self {
            router,
            accounts,
            buckets,
            volumes,
            _folder: folder,
        }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.answer(request.body(body.into()).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.exchange(request, [127, 0, 0, 1].into()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// What a request from an address is answered.
    async fn exchange(&self, mut request: Request<Body>, peer: IpAddr) -> Response<Body> {
        let peer = ConnectInfo(SocketAddr::from((peer, 5)));
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends what a browser does: cookies and an origin instead of a token.
    async fn browse(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let mut request = request.header("host", "rack.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(body.to_string().into()).unwrap())
            .await
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
        let user = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
        let answer = self.post("/api/v1/auth/sign-up", "", user).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        self.login(name).await
    }

    async fn operator(&self, name: &str) -> String {
        let new = NewUser {
            email: Email::new(format!("{name}@example.com")).unwrap(),
            password: Password::new("correct horse").unwrap(),
            namespace: None,
        };
        self.accounts.add_user(new, true).await.unwrap();
        self.login(name).await
    }

    async fn login(&self, name: &str) -> String {
        let user = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
        let answer = self.post("/api/v1/auth/login", "", user).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.text("accessToken").to_owned()
    }

    /// Signs a user up who joins a namespace of the caller's in this role.
    async fn member(&self, owner: &str, namespace: &str, name: &str, role: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/invitations");
        let whom = json!({"email": format!("{name}@example.com"), "role": role});
        let invited = self.post(&path, owner, whom).await;
        assert_eq!(invited.status, StatusCode::CREATED, "{}", invited.body);
        let user = json!({
            "email": format!("{name}@example.com"),
            "password": "correct horse",
            "invitation": invited.text("code"),
        });
        let answer = self.post("/api/v1/auth/sign-up", "", user).await;
        assert_eq!(
            (answer.status, answer.text("namespace")),
            (StatusCode::CREATED, namespace)
        );
        self.login(name).await
    }
}
