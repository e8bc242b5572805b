//! What a first start creates: an operator with a namespace, a key to the whole namespace, and a
//! bucket. A start that was cut short goes on where it stopped.

use anyhow::{Context as _, bail};
use http::StatusCode;
use rand::distr::{Alphanumeric, SampleString as _};
use s3d_accounts::{AccountSettings, Accounts};
use serde_json::json;

use super::env_file::EnvFile;
use super::http::{Answer, request};
use super::settings::{REGION, Settings, reachable};

const EMAIL: &str = "you@example.com";
const NAMESPACE: &str = "home";
const BUCKET: &str = "first-bucket";
const PASSWORD_LENGTH: usize = 24;

/// Creates what is missing and writes it into the env file.
pub async fn first_use(settings: &Settings, env: &mut EnvFile) -> anyhow::Result<()> {
    env.set("AWS_ENDPOINT_URL", settings.s3_url());
    env.set("AWS_REGION", REGION);
    env.set("HAYRACK_API_URL", settings.api_url());
    if env.get("HAYRACK_PASSWORD").is_none() {
        env.set("HAYRACK_EMAIL", EMAIL);
        env.set(
            "HAYRACK_PASSWORD",
            Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_LENGTH),
        );
        env.set("HAYRACK_NAMESPACE", NAMESPACE);
        env.set("HAYRACK_BUCKET", BUCKET);
        // Before the user exists: else a start that ends in between would lock itself out.
        env.save()?;
    }
    if env.get("AWS_SECRET_ACCESS_KEY").is_none() {
        let token = sign_in(settings, env).await?;
        make_operator(settings, env).await?;
        create_bucket(settings, env, &token).await?;
        create_key(settings, env, &token).await?;
    }
    env.save()
}

async fn sign_in(settings: &Settings, env: &EnvFile) -> anyhow::Result<String> {
    let (email, password) = (env.need("HAYRACK_EMAIL")?, env.need("HAYRACK_PASSWORD")?);
    let user = json!({
        "email": email,
        "password": password,
        "namespace": env.need("HAYRACK_NAMESPACE")?,
    });
    // A start that was cut short may have signed up already: signing in then tells.
    let signed_up = post(settings, "/api/v1/auth/sign-up", None, user).await?;
    if !signed_up.status.is_success() && signed_up.status != StatusCode::CONFLICT {
        return refused("sign up", &signed_up);
    }
    let login = json!({ "email": email, "password": password });
    let answer = post(settings, "/api/v1/auth/login", None, login).await?;
    if !answer.status.is_success() {
        return refused("sign in", &answer);
    }
    Ok(answer.text("accessToken")?.to_owned())
}

/// Whoever runs the daemons runs the rack; as `s3d user operator` does it.
async fn make_operator(settings: &Settings, env: &EnvFile) -> anyhow::Result<()> {
    let accounts = accounts(settings).await?;
    let email = env.need("HAYRACK_EMAIL")?.parse()?;
    accounts.set_operator(&email, true).await?;
    Ok(())
}

/// A code with which the console signs the operator in once; none if the user is not there any more.
pub async fn sign_in_code(settings: &Settings, env: &EnvFile) -> anyhow::Result<Option<String>> {
    let email = env.need("HAYRACK_EMAIL")?.parse()?;
    Ok(accounts(settings).await?.make_sign_in_code(&email).await?)
}

async fn accounts(settings: &Settings) -> anyhow::Result<Accounts> {
    let store = volumed_meta::open(&settings.store()).await?;
    let folder = settings.s3d_state();
    Ok(Accounts::open(store, &folder, AccountSettings::default())?)
}

async fn create_bucket(settings: &Settings, env: &EnvFile, token: &str) -> anyhow::Result<()> {
    let bucket = json!({
        "name": env.need("HAYRACK_BUCKET")?,
        "namespace": env.need("HAYRACK_NAMESPACE")?,
    });
    let answer = post(settings, "/api/v1/buckets", Some(token), bucket).await?;
    if answer.status.is_success() || answer.status == StatusCode::CONFLICT {
        return Ok(());
    }
    refused("create a bucket", &answer)
}

async fn create_key(settings: &Settings, env: &mut EnvFile, token: &str) -> anyhow::Result<()> {
    let key = json!({ "namespace": env.need("HAYRACK_NAMESPACE")? });
    let answer = post(settings, "/api/v1/keys", Some(token), key).await?;
    if !answer.status.is_success() {
        return refused("create a key", &answer);
    }
    env.set("AWS_ACCESS_KEY_ID", answer.text("accessKeyID")?);
    env.set("AWS_SECRET_ACCESS_KEY", answer.text("secretAccessKey")?);
    Ok(())
}

async fn post(
    settings: &Settings,
    path: &str,
    token: Option<&str>,
    body: serde_json::Value,
) -> anyhow::Result<Answer> {
    request(reachable(settings.api_listen), path, token, Some(body))
        .await
        .with_context(|| format!("the REST API did not answer {path}"))
}

fn refused<T>(what: &str, answer: &Answer) -> anyhow::Result<T> {
    bail!(
        "The REST API refused to {what}: {} {}",
        answer.status,
        answer.body
    )
}
