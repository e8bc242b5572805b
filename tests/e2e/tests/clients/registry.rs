//! A container registry that keeps its images in a bucket: an image is pushed, pulled and deleted.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::binaries::free_address;
use hayrack_e2e::clients::{command, debian, run};
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::rack::{Rack, kill_process};
use hayrack_e2e::random::content;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::with_rack;

const LIMIT: Duration = Duration::from_mins(1);
/// More than one part of the registry's multipart uploads.
const LAYER: usize = 12 << 20;

#[test]
fn an_image_is_pushed_pulled_and_deleted() {
    with_rack(|rack| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let registry = Registry::start(rack, folder.path());
        let (pushed, pulled) = (folder.path().join("pushed"), folder.path().join("pulled"));
        let digest = make_image(&pushed);
        let reference = format!("docker://{}/image:first", registry.address);
        let skopeo = |words: &[&str]| {
            let mut command = command(rack, &debian("skopeo"));
            run(command.arg("--insecure-policy").args(words))
        };
        let layout = |folder: &Path| format!("oci:{}:first", folder.display());
        // Else it compresses the layer on its way.
        skopeo(&[
            "copy",
            "--preserve-digests",
            "--dest-tls-verify=false",
            &layout(&pushed),
            &reference,
        ]);
        skopeo(&[
            "copy",
            "--preserve-digests",
            "--src-tls-verify=false",
            &reference,
            &layout(&pulled),
        ]);
        let layer = Path::new("blobs/sha256").join(&digest);
        let same = fs::read(pushed.join(&layer)).ok() == fs::read(pulled.join(&layer)).ok();
        assert!(
            same,
            "the layer that was pulled differs from the one pushed"
        );
        skopeo(&["delete", "--tls-verify=false", &reference]);
    });
}

struct Registry {
    process: Child,
    address: SocketAddr,
}

impl Registry {
    fn start(rack: &Rack<'_>, folder: &Path) -> Self {
        let address = free_address();
        let config = json!({
            "version": "0.1",
            "log": { "level": "error" },
            "storage": {
                "s3": {
                    "accesskey": rack.var("AWS_ACCESS_KEY_ID"),
                    "secretkey": rack.var("AWS_SECRET_ACCESS_KEY"),
                    "region": "us-east-1",
                    "regionendpoint": rack.var("AWS_ENDPOINT_URL"),
                    "bucket": rack.var("HAYRACK_BUCKET"),
                    "secure": false,
                    "chunksize": 5 << 20,
                    "multipartcopythresholdsize": 8 << 20,
                    "multipartcopychunksize": 5 << 20,
                },
                "delete": { "enabled": true },
            },
            "http": { "addr": address.to_string() },
        });
        // JSON is YAML, too.
        let path = folder.join("registry.yml");
        fs::write(&path, config.to_string()).expect("a file can be written");
        let process = command(rack, &debian("docker-registry"))
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .spawn()
            .expect("the registry can be started");
        let root = Request::new("GET", "/v2/").header("host", address.to_string());
        let deadline = Instant::now() + LIMIT;
        while exchange(address, &root).is_err() {
            assert!(Instant::now() < deadline, "the registry does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Self { process, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        kill_process(self.process.id(), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

/// Makes an OCI image layout of one layer, and returns the layer's digest. The registry takes any
/// bytes for a layer.
fn make_image(folder: &Path) -> String {
    fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder can be made");
    let layer = blob(
        folder,
        "application/vnd.oci.image.layer.v1.tar",
        &content(1, LAYER),
    );
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config = blob(
        folder,
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let mut manifest = blob(
        folder,
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "first" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(folder.join("index.json"), index.to_string()).expect("a file can be written");
    let layout = json!({ "imageLayoutVersion": "1.0.0" });
    fs::write(folder.join("oci-layout"), layout.to_string()).expect("a file can be written");
    let digest = layer["digest"].as_str().expect("it was made above");
    digest.trim_start_matches("sha256:").to_owned()
}

fn blob(folder: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digits = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>();
    let hash = digits.concat();
    fs::write(folder.join("blobs/sha256").join(&hash), bytes).expect("a file can be written");
    json!({ "mediaType": media_type, "digest": format!("sha256:{hash}"), "size": bytes.len() })
}
