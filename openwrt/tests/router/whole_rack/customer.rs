//! Somebody in the world who signs up, has a bucket, and uses it with the AWS SDK for JavaScript. They trust the authority
//! alone.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, ensure};
use hayrack_e2e::clients::{node, source};
use hayrack_rack::network::output;
use serde_json::{Value, json};

use crate::site::{RENTED, Site, until};

const API: &str = "s3-api.example.org";
const NAMESPACE: &str = "home";
const BUCKET: &str = "photos";

/// A customer with a bucket.
pub struct Customer {
    /// The bucket's volume.
    pub volume: String,
    endpoint: String,
    access_key: String,
    secret_key: String,
}

impl Customer {
    /// Signs up, and has a bucket made.
    pub fn sign_up(site: &Site) -> anyhow::Result<Self> {
        let mut user = json!({ "email": "ann@example.org", "password": "a long password" });
        let login = user.clone();
        user["namespace"] = json!(NAMESPACE);
        site.post("auth/sign-up", "", &user)?;
        let login = site.post("auth/login", "", &login)?;
        let bucket = json!({"name": BUCKET, "namespace": NAMESPACE});
        let bucket = site.post("buckets", text(&login, "accessToken")?, &bucket)?;
        let endpoint = text(&bucket, "endpoint")?;
        ensure!(
            endpoint == format!("https://{BUCKET}.{NAMESPACE}.s3.example.org"),
            "{endpoint}"
        );
        Ok(Self {
            volume: format!("bucket-{}", text(&bucket, "id")?),
            endpoint: endpoint.to_owned(),
            access_key: text(&bucket, "accessKeyID")?.to_owned(),
            secret_key: text(&bucket, "secretAccessKey")?.to_owned(),
        })
    }

    /// The host of the bucket's own endpoint.
    pub fn host(&self) -> &str {
        self.endpoint.trim_start_matches("https://")
    }

    /// Puts, lists and gets as the reference client does: at the endpoint that signing up gave out, and with the bucket as
    /// the host's first label.
    pub fn use_bucket(&self, site: &Site) -> anyhow::Result<()> {
        let mut ways = [
            self.script(site, "reference.mjs"),
            self.script(site, "reference.mjs"),
        ];
        ways[1].env("ENDPOINT", "https://s3.example.org");
        ways[1].env("VIRTUAL_HOST", "1");
        for way in &mut ways {
            let listed = output(way, "")?;
            ensure!(listed == "private.txt\npublic.txt\n", "{listed}");
        }
        Ok(())
    }

    /// Starts to put objects.
    pub fn keep_writing(&self, site: &Site) -> anyhow::Result<Load> {
        Load::start(&mut self.script(site, "steady.mjs"))
    }

    /// One of the scripts of the end-to-end tests, in the world.
    fn script(&self, site: &Site, name: &str) -> Command {
        let mut script = site.machines.command("world", node());
        script.arg(source().join("js").join(name));
        script.env("ENDPOINT", &self.endpoint);
        script.env("ADDRESS", RENTED).env("REGION", "us-east-1");
        script.env("BUCKET", BUCKET);
        script.env("ACCESS_KEY", &self.access_key);
        script.env("SECRET_KEY", &self.secret_key);
        script.env("NODE_EXTRA_CA_CERTS", site.path("root.pem"));
        script
    }
}

impl Site {
    /// What the API says to a call from the world.
    fn post(&self, call: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        let (resolve, root) = (format!("{API}:443:{RENTED}"), self.text_path("root.pem"));
        let mut ask = self.machines.command("world", "curl");
        ask.args(["-sS", "--fail-with-body", "--max-time", "20"]);
        ask.args(["--cacert", &root, "--resolve", &resolve]);
        ask.args(["-H", "content-type: application/json"]);
        ask.args(["-H", &format!("authorization: Bearer {token}")]);
        ask.args(["-d", &body.to_string()]);
        let said = output(ask.arg(format!("https://{API}/api/v1/{call}")), "")?;
        serde_json::from_str(&said).with_context(|| format!("{call}: {said}"))
    }
}

fn text<'v>(body: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    let value = body[field].as_str();
    value.with_context(|| format!("{body} has no {field}"))
}

/// Objects that are put until it is stopped.
pub struct Load {
    client: Child,
    acknowledged: Arc<AtomicUsize>,
    last_line: JoinHandle<String>,
}

impl Load {
    fn start(script: &mut Command) -> anyhow::Result<Self> {
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = script.stderr(Stdio::piped()).spawn()?;
        let stdout = client.stdout.take().context("its output is read")?;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let counted = acknowledged.clone();
        Ok(Self {
            client,
            acknowledged,
            last_line: thread::spawn(move || count(stdout, &counted)),
        })
    }

    /// Waits until so many more objects are acknowledged, or it has ended, which [`Self::stop`] reports.
    pub fn until_more(&mut self, more: usize) -> anyhow::Result<()> {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + more;
        let (acknowledged, client) = (&self.acknowledged, &self.last_line);
        until(&format!("{wanted} objects are acknowledged"), || {
            acknowledged.load(Ordering::Relaxed) >= wanted || client.is_finished()
        })
    }

    /// Has it read all that was acknowledged, and answers how much that was.
    ///
    /// # Errors
    /// When one request failed, however often the SDK repeated it, or something is missing.
    pub fn stop(mut self) -> anyhow::Result<usize> {
        drop(self.client.stdin.take());
        let mut errors = String::new();
        let stderr = self.client.stderr.take().context("its errors are read")?;
        BufReader::new(stderr).read_to_string(&mut errors)?;
        ensure!(self.client.wait()?.success(), "{errors}");
        let last = self.last_line.join().unwrap_or_default();
        let count = last.strip_suffix(" objects are there");
        Ok(count.with_context(|| last.clone())?.parse()?)
    }
}

/// Counts lines, and answers the last one.
fn count(lines: ChildStdout, counted: &AtomicUsize) -> String {
    let lines = BufReader::new(lines).lines().map_while(Result::ok);
    lines
        .inspect(|_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .last()
        .unwrap_or_default()
}
