//! The operations of S3: those of `operations.txt`, and those that can be routed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use hayrack_e2e::clients::source;
use hayrack_e2e::http::Request;

/// One operation; its texts have places for what it is about.
#[derive(Debug, Default)]
pub struct Operation {
    /// As the `S3` trait of s3s names it.
    pub name: String,
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// What fills the places of an operation.
#[derive(Clone, Debug)]
pub struct Subject {
    pub bucket: String,
    pub key: String,
    /// The id of an upload of `key`.
    pub upload: String,
    /// The ETag of the upload's first part.
    pub part: String,
}

impl Operation {
    /// All of `operations.txt`.
    pub fn all() -> Vec<Self> {
        let mut operations: Vec<Self> = Vec::new();
        let lines = include_str!("operations.txt").lines();
        for line in lines.filter(|line| !line.starts_with('#')) {
            match (line.strip_prefix("  "), operations.last_mut()) {
                (Some(detail), Some(last)) => last.add(detail),
                _ => operations.push(Self::head(line)),
            }
        }
        operations
    }

    fn head(line: &str) -> Self {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().expect("a name, a method and a target");
        Self {
            name: next(),
            method: next(),
            target: next(),
            ..Self::default()
        }
    }

    fn add(&mut self, detail: &str) {
        if let Some(body) = detail.strip_prefix("| ") {
            self.body = body.replace("\\r\\n", "\r\n");
        } else {
            let (name, value) = detail.split_once(": ").expect("a header");
            self.headers.push((name.into(), value.into()));
        }
    }

    /// Whether it is about an object.
    pub fn names_key(&self) -> bool {
        self.target.contains("{key}") || self.body.contains("{key}")
    }

    /// The request, not yet signed.
    pub fn request(&self, subject: &Subject) -> Request {
        let fill = |text: &str| {
            text.replace("{bucket}", &subject.bucket)
                .replace("{key}", &subject.key)
                .replace("{upload}", &subject.upload)
                .replace("{part}", &subject.part)
        };
        let mut request = Request::new(&self.method, fill(&self.target));
        for (name, value) in &self.headers {
            request = request.header(name, fill(value));
        }
        request.body(fill(&self.body))
    }
}

/// The names of all operations that the s3s we build with can route, and of those that go past it.
pub fn routed() -> BTreeSet<String> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(source())
        .output()
        .expect("cargo can be started");
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let s3s = packages
        .iter()
        .find(|package| package["name"] == "s3s")
        .and_then(|package| package["manifest_path"].as_str())
        .expect("s3d is built with s3s");
    let file = s3s.replace("Cargo.toml", "src/s3_trait.rs");
    let code = fs::read_to_string(file).expect("s3s has its trait where it was");
    let names = code.split("async fn ").skip(1);
    let names = names.map(|rest| {
        let end = rest.find(['(', '<']).expect("a function has parameters");
        rest[..end].trim().to_owned()
    });
    let more = [
        "rename_object",
        "rename_prefix",
        "patch_object",
        "get_bucket_space",
    ];
    names.chain(more.map(str::to_owned)).collect()
}
