//! Signing in at Hayrack, and keeping a key.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use fused_s3::{CredentialError, Credentials, NewProfile, Profile, ProfileFiles, Rest, RestError};
use http::{Method, Uri};
use serde_json::{Value, json};

/// What kind of key somebody wants, and where it is kept.
pub struct Wish<'a> {
    /// A key to this bucket alone.
    pub bucket: Option<&'a str>,
    /// A key to all buckets of this namespace; `None`: of the only one.
    pub namespace: Option<&'a str>,
    /// A key that can change nothing.
    pub read_only: bool,
    /// The profile that it is kept in.
    pub profile: &'a str,
    /// Where S3 is served; `None`: the server is asked.
    pub endpoint: Option<&'a str>,
    /// The region that requests are signed for.
    pub region: &'a str,
    /// Certificates to trust beside those of this machine.
    pub trust: Option<&'a Path>,
}

/// A key that was made and stored.
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Where it holds.
    pub endpoint: String,
    /// A bucket that it is for, if one is known.
    pub bucket: Option<String>,
}

/// Signs in, has a key made, stores it as a profile, and revokes the one that was there. When the key
/// cannot be stored, it is revoked.
pub async fn sign_in(
    mut rest: Rest,
    email: &str,
    password: &str,
    wish: &Wish<'_>,
    files: &ProfileFiles,
) -> anyhow::Result<Stored> {
    rest.token = Some(token(&rest, email, password).await?);
    let bucket = some_bucket(&rest, wish).await?;
    let endpoint = match wish.endpoint {
        Some(endpoint) => endpoint.to_owned(),
        None => endpoint(&rest, bucket.as_ref(), wish).await?,
    };
    let before = replaceable(&rest, wish, &endpoint, files).await?;
    let credentials = make_key(&rest, wish).await?;
    let stored = files.store(&NewProfile {
        name: wish.profile,
        credentials: &credentials,
        endpoint: &endpoint,
        region: wish.region,
    });
    if let Err(error) = stored {
        revoke(&rest, &credentials.access_key).await;
        return Err(error.into());
    }
    if let Some(before) = before {
        revoke(&rest, &before).await;
    }
    Ok(Stored {
        id: credentials.access_key,
        endpoint,
        bucket: bucket.and_then(|it| text(&it, "name")),
    })
}

async fn token(rest: &Rest, email: &str, password: &str) -> anyhow::Result<String> {
    let body = json!({ "email": email, "password": password });
    let answer = rest.call(Method::POST, "/api/v1/auth/login", Some(&body));
    let answer = match answer.await {
        Ok(answer) => answer,
        Err(RestError::Refused { code, .. }) if code == "WrongCredentials" => {
            bail!("the email or the password is wrong")
        }
        Err(error @ RestError::NoHayrack(_)) => bail!(
            "{} is no Hayrack: {error}. It has to be the REST API, usually at port 9001, and not S3",
            rest.url()
        ),
        Err(error) => return Err(error).with_context(|| rest.url().to_owned()),
    };
    text(&answer, "accessToken").context(
        "the server wants more than a password, which this program does not know how to give: make a \
         key in the browser, and put it into ~/.aws/credentials",
    )
}

/// A bucket that the key will be for: the one that is wished for, or any.
async fn some_bucket(rest: &Rest, wish: &Wish<'_>) -> anyhow::Result<Option<Value>> {
    if let Some(bucket) = wish.bucket {
        let path = format!("/api/v1/buckets/{bucket}");
        let found = rest.call(Method::GET, &path, None).await;
        return Ok(Some(found.with_context(|| format!("bucket {bucket}"))?));
    }
    let mut found = rest.call(Method::GET, "/api/v1/buckets", None).await?;
    let buckets = found["buckets"].as_array_mut();
    let mut buckets = buckets.map(std::mem::take).unwrap_or_default().into_iter();
    Ok(buckets.find(|it| {
        wish.namespace
            .is_none_or(|wished| it["namespace"] == wished)
    }))
}

/// Where S3 is served: where the API says that a bucket is, or at the API's own host, if a Hayrack
/// answers there.
async fn endpoint(rest: &Rest, bucket: Option<&Value>, wish: &Wish<'_>) -> anyhow::Result<String> {
    let Some(bucket) = bucket else {
        bail!(
            "the server says where S3 is only of a bucket, and there is none yet: make one, or give \
             --s3-endpoint https://host:port"
        );
    };
    let places = places(rest.url(), bucket);
    for place in &places {
        let Ok(found) = Rest::new(place, wish.trust) else {
            continue;
        };
        if matches!(found.server_name().await, Ok(Some(name)) if name == "Hayrack") {
            return Ok(place.clone());
        }
    }
    bail!(
        "no Hayrack answers at {}: give --s3-endpoint https://host:port",
        places.join(" or ")
    )
}

/// Where S3 may be served, likeliest first, as the REST API at `rest` describes a bucket.
fn places(rest: &str, bucket: &Value) -> Vec<String> {
    let described = || {
        let endpoint: Uri = bucket["endpoint"].as_str()?.parse().ok()?;
        let host = endpoint.host()?.to_owned();
        Some((endpoint, host))
    };
    let Some((endpoint, host)) = described() else {
        return Vec::new();
    };
    let scheme = endpoint.scheme_str().unwrap_or("https");
    let port = endpoint.port().map_or(String::new(), |it| format!(":{it}"));
    // The key may be for other buckets, too.
    let own = format!(
        "{}.{}.",
        bucket["name"].as_str().unwrap_or_default(),
        bucket["namespace"].as_str().unwrap_or_default()
    );
    let common = host.strip_prefix(&own).unwrap_or(&host);
    let rest: Option<Uri> = rest.parse().ok();
    let near = rest.as_ref().and_then(Uri::host).unwrap_or_default();
    let mut places = Vec::new();
    // What a server calls this machine is its own, and another one for everybody else.
    if !is_this_machine(common) || is_this_machine(near) {
        places.push(format!("{scheme}://{common}{port}"));
    }
    places.push(format!("{scheme}://{near}{port}"));
    places
}

/// Whether a host's name or address is one by which every machine calls itself.
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The id of the key that the profile has now, if it is one of this server. A key of another server is
/// not written over: nobody may have it anywhere else.
async fn replaceable(
    rest: &Rest,
    wish: &Wish<'_>,
    endpoint: &str,
    files: &ProfileFiles,
) -> anyhow::Result<Option<String>> {
    let path = |file: &Option<std::path::PathBuf>| Some(file.as_ref()?.to_str()?.to_owned());
    // Keys in the environment are not the profile's.
    let variable = |name: &str| match name {
        "AWS_SHARED_CREDENTIALS_FILE" => path(&files.credentials),
        "AWS_CONFIG_FILE" => path(&files.config),
        _ => None,
    };
    let profile = match Profile::load(Some(wish.profile), None, variable) {
        Ok(profile) => profile,
        Err(CredentialError::NoProfile(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(credentials) = profile.credentials else {
        return Ok(None);
    };
    let known = rest.call(Method::GET, "/api/v1/keys", None).await?;
    let keys = known["keys"].as_array().map_or(&[][..], Vec::as_slice);
    let id = credentials.access_key;
    if keys.iter().any(|key| key["accessKeyID"] == *id) {
        return Ok(Some(id));
    }
    // It was revoked, or has expired.
    if profile.endpoint.as_deref() == Some(endpoint) {
        return Ok(None);
    }
    bail!(
        "the profile {0} has the key {id}, which is none of yours at this server: choose another \
         --profile, or take [{0}] out of ~/.aws/credentials",
        wish.profile
    )
}

async fn make_key(rest: &Rest, wish: &Wish<'_>) -> anyhow::Result<Credentials> {
    let scope = match wish.bucket {
        Some(bucket) => json!({ "bucket": bucket }),
        None => json!("namespace"),
    };
    let access = if wish.read_only {
        "read-only"
    } else {
        "read-write"
    };
    let body = json!({ "scope": scope, "namespace": wish.namespace, "access": access });
    let made = rest.call(Method::POST, "/api/v1/keys", Some(&body)).await;
    let made = made.context("no key was made")?;
    let field = |name| text(&made, name).with_context(|| format!("the new key has no {name}"));
    Ok(Credentials {
        access_key: field("accessKeyID")?,
        secret_key: field("secretAccessKey")?,
        session_token: None,
    })
}

async fn revoke(rest: &Rest, key: &str) {
    let path = format!("/api/v1/keys/{key}");
    if let Err(error) = rest.call(Method::DELETE, &path, None).await {
        eprintln!("fused: the key {key} is not used any more, and cannot be revoked: {error}");
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_is_where_all_buckets_are_and_not_on_another_machine_called_localhost() {
        let bucket =
            |endpoint: &str| json!({ "name": "b", "namespace": "n", "endpoint": endpoint });
        let far = bucket("https://b.n.s3.rack.example");
        assert_eq!(
            places("https://rack.example:9001", &far),
            ["https://s3.rack.example", "https://rack.example"]
        );
        let near = bucket("http://b.n.s3.localhost:9000");
        assert_eq!(
            places("http://127.0.0.1:9001", &near),
            ["http://s3.localhost:9000", "http://127.0.0.1:9000"]
        );
        assert_eq!(
            places("http://rack.example:9001", &near),
            ["http://rack.example:9000"]
        );
        assert!(places("http://rack.example:9001", &json!({})).is_empty());
    }
}
