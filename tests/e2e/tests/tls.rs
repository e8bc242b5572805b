//! Serving over TLS, and other certificates without a restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use hayrack_e2e::clients::{debian, newest, run, source};
use hayrack_e2e::daemons::Daemons;
use hayrack_e2e::s3::S3;

/// Makes a certificate that signs itself, and its key.
fn make_certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (
        folder.join(format!("{name}.crt")),
        folder.join(format!("{name}.key")),
    );
    let mut make = Command::new(debian("openssl"));
    make.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key);
    run(&mut make);
    (certificate, key)
}

/// boto3's work, as somebody who trusts this certificate.
fn work(daemons: &Daemons, s3: &S3, folder: &Path, trusted: &Path) -> Command {
    let mut command = Command::new(newest("python3"));
    command
        .arg(source().join("python/encrypted.py"))
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("AWS_ACCESS_KEY_ID", &s3.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CA_BUNDLE", trusted)
        .env(
            "AWS_ENDPOINT_URL",
            format!("https://localhost:{}", daemons.s3.port()),
        );
    command
}

#[test]
fn clients_come_over_tls_and_certificates_change_at_a_signal() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let mut daemons = Daemons::start("1GiB");
    let (_, s3) = daemons.tenant(&["encrypted"]);
    let (first, first_key) = make_certificate(folder, "first");
    let (second, second_key) = make_certificate(folder, "second");
    let (certificate, key) = (folder.join("served.crt"), folder.join("served.key"));
    let serve = |from: (&Path, &Path)| {
        fs::copy(from.0, &certificate).expect("a file can be copied");
        fs::copy(from.1, &key).expect("a file can be copied");
    };
    serve((&first, &first_key));
    daemons.serve_tls(&certificate, &key);
    run(&mut work(&daemons, &s3, folder, &first));

    serve((&second, &second_key));
    daemons.reload();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let output = work(&daemons, &s3, folder, &second).output();
        let output = output.expect("python can be started");
        if output.status.success() {
            break;
        }
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(Instant::now() < deadline, "{printed}\n{}", daemons.log());
        thread::sleep(Duration::from_millis(100));
    }
    let refused = work(&daemons, &s3, folder, &first).output();
    let refused = refused.expect("python can be started");
    let printed = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(printed.contains("CERTIFICATE_VERIFY_FAILED"), "{printed}");
}
