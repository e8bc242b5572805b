//! A user of the rack's REST API, with a key to its namespace.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hayrack_e2e::http::{Request, exchange_within};
use serde_json::{Value, json};

const EMAIL: &str = "you@example.com";
const PASSWORD: &str = "a long password";
const NAMESPACE: &str = "home";
/// How long a node may take to answer.
const SILENCE: Duration = Duration::from_secs(10);

/// A user that has signed in.
#[derive(Clone, Debug)]
pub struct Account {
    token: String,
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
}

impl Account {
    /// Signs a user up, and has a key made for it, at a node.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn create(api: SocketAddr) -> anyhow::Result<Self> {
        let user = json!({ "email": EMAIL, "password": PASSWORD, "namespace": NAMESPACE });
        post(api, "/api/v1/auth/sign-up", None, &user)?;
        let login = json!({ "email": EMAIL, "password": PASSWORD });
        let login = post(api, "/api/v1/auth/login", None, &login)?;
        let token = text(&login, "accessToken")?;
        let key = json!({ "namespace": NAMESPACE });
        let key = post(api, "/api/v1/keys", Some(&token), &key)?;
        Ok(Self {
            token,
            access_key: text(&key, "accessKeyID")?,
            secret_key: text(&key, "secretAccessKey")?,
        })
    }

    /// Has a bucket made at a node, and answers the name of its volume.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn create_bucket(&self, api: SocketAddr, name: &str) -> anyhow::Result<String> {
        let bucket = json!({ "name": name, "namespace": NAMESPACE });
        let made = post(api, "/api/v1/buckets", Some(&self.token), &bucket)?;
        Ok(format!("bucket-{}", text(&made, "id")?))
    }
}

fn post(api: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
    let mut request = Request::new("POST", path)
        .header("host", api.to_string())
        .header("content-type", "application/json")
        .body(body.to_string());
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = exchange_within(api, &request, SILENCE)?;
    let (status, said) = (answer.status, answer.text());
    ensure!((200..300).contains(&status), "{path}: {status} {said}");
    Ok(serde_json::from_str(&said)?)
}

fn text(body: &Value, field: &str) -> anyhow::Result<String> {
    let value = body[field].as_str();
    let value = value.with_context(|| format!("{body} has no {field}"))?;
    Ok(value.to_owned())
}
