//! What a first start creates: a user with a namespace, a key to it, and a bucket. A start that was cut short goes on
//! where it stopped.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use hayrack_e2e::http::{Request, exchange};
use hayrack_rack::network::NodeIndex;
use hayrack_rack::rack::Rack;
use rand::distr::{Alphanumeric, SampleString as _};
use serde_json::{Value, json};

use super::env_file::EnvFile;

const EMAIL: &str = "you@example.com";
const NAMESPACE: &str = "home";
const BUCKET: &str = "first-bucket";
const PASSWORD_LENGTH: usize = 24;

/// Creates what is missing, and answers what is in the env file at `path` then.
///
/// # Errors
/// When the rack refuses something.
pub fn provision(rack: &Rack, path: &Path) -> anyhow::Result<EnvFile> {
    let mut env = EnvFile::load(path)?;
    let first = rack.node(NodeIndex(1));
    // The addresses may be others than the last time.
    env.set("AWS_ENDPOINT_URL", &format!("http://{}", first.s3()));
    env.set("AWS_REGION", "us-east-1");
    env.set("HAYRACK_API_URL", &format!("http://{}", first.api()));
    env.set("HAYRACK_BUCKET", BUCKET);
    if env.get("HAYRACK_PASSWORD").is_none() {
        let password = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH);
        env.set("HAYRACK_EMAIL", EMAIL);
        env.set("HAYRACK_PASSWORD", &password);
        // Before the user exists: else a start that ends in between would lock itself out.
        env.save()?;
    }
    if env.get("AWS_SECRET_ACCESS_KEY").is_none() {
        create(first.api(), &mut env)?;
    }
    env.save()?;
    Ok(env)
}

fn create(api: SocketAddr, env: &mut EnvFile) -> anyhow::Result<()> {
    let login = json!({ "email": EMAIL, "password": env.need("HAYRACK_PASSWORD")? });
    let mut user = login.clone();
    user["namespace"] = NAMESPACE.into();
    post(api, "/api/v1/auth/sign-up", None, &user)?;
    let signed_in = post(api, "/api/v1/auth/login", None, &login)?;
    let token = Some(text(&signed_in, "accessToken")?);
    let bucket = json!({ "name": BUCKET, "namespace": NAMESPACE });
    post(api, "/api/v1/buckets", token, &bucket)?;
    let key = post(
        api,
        "/api/v1/keys",
        token,
        &json!({ "namespace": NAMESPACE }),
    )?;
    env.set("AWS_ACCESS_KEY_ID", text(&key, "accessKeyID")?);
    env.set("AWS_SECRET_ACCESS_KEY", text(&key, "secretAccessKey")?);
    Ok(())
}

/// Posts, and answers the answer's body; what exists already is as good as created.
fn post(api: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
    let mut request = Request::new("POST", path)
        .header("host", api.to_string())
        .header("content-type", "application/json")
        .body(body.to_string());
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = exchange(api, &request);
    let answer = answer.with_context(|| format!("the REST API did not answer {path}"))?;
    if !matches!(answer.status, 200..=299 | 409) {
        bail!(
            "The REST API refused {path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

fn text<'a>(body: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    let value = body[field].as_str();
    value.with_context(|| format!("the REST API answered without {field}: {body}"))
}
