//! NBD over TCP: who is let in, with clients that are not ours.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use daemon::{Daemon, PATIENCE, pattern, succeed, volumed};
use nix::sys::signal::Signal;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Certificate and key.
    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> [String; 2] {
        params.extended_key_usages = vec![purpose];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        [certificate.pem(), key.serialize_pem()]
    }

    /// What a server at this machine's loopback needs, in the files that [`settings`] name.
    fn write_server(&self, folder: &Path) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "the server");
        let own = self.sign(params, ExtendedKeyUsagePurpose::ServerAuth);
        for (name, text) in ["server.crt", "server.key"].iter().zip(own) {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::write(folder.join("ca.crt"), self.pem()).unwrap();
    }

    /// What a client that trusts `trusted` shows, in the files that libnbd and qemu look for.
    fn client(&self, trusted: &Self, expired: bool) -> TempDir {
        let mut params = named("a client");
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let [certificate, key] = self.sign(params, ExtendedKeyUsagePurpose::ClientAuth);
        let folder = only_trusting(trusted);
        std::fs::write(folder.path().join("client-cert.pem"), certificate).unwrap();
        std::fs::write(folder.path().join("client-key.pem"), key).unwrap();
        folder
    }
}

fn only_trusting(authority: &Authority) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca-cert.pem"), authority.pem()).unwrap();
    folder
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A daemon that other machines could reach, and what it was given.
struct Server {
    daemon: Daemon,
    authority: Authority,
    files: TempDir,
    port: u16,
}

impl Server {
    async fn start() -> Self {
        let authority = Authority::new("the rack");
        let files = tempfile::tempdir().unwrap();
        authority.write_server(files.path());
        let port = free_port();
        let daemon = Daemon::start_with(&settings(&format!("127.0.0.1:{port}"), files.path()));
        daemon.create("photos", 64 << 20).await;
        Self {
            daemon,
            authority,
            files,
            port,
        }
    }

    fn uri(&self, scheme: &str, certificates: &Path) -> String {
        let certificates = certificates.display();
        format!(
            "{scheme}://127.0.0.1:{}/photos?tls-certificates={certificates}",
            self.port
        )
    }

    /// Whether a client with these certificates is shown the volume.
    fn shows(&self, certificates: &TempDir) -> Output {
        let uri = self.uri("nbds", certificates.path());
        Command::new("nbdinfo")
            .arg("--size")
            .arg(uri)
            .output()
            .unwrap()
    }
}

fn settings(address: &str, files: &Path) -> String {
    let file = |name: &str| files.join(name).display().to_string();
    format!(
        "nbd_listen = \"{address}\"\nnbd_tls_certificate = \"{}\"\nnbd_tls_key = \"{}\"\n\
         nbd_tls_client_ca = \"{}\"\n",
        file("server.crt"),
        file("server.key"),
        file("ca.crt")
    )
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn is_let_in(output: &Output) -> bool {
    if output.status.success() {
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "67108864");
    }
    output.status.success()
}

#[tokio::test]
async fn a_client_with_a_certificate_copies_in_and_out() {
    let server = Server::start().await;
    let certificates = server.authority.client(&server.authority, false);
    let uri = server.uri("nbds", certificates.path());
    let (from, to) = (file(&server, "from"), file(&server, "to"));
    let bytes = pattern(1, 64 << 20);
    std::fs::write(&from, &bytes).unwrap();
    let four = ["--flush", "--connections=4"];
    succeed(Command::new("nbdcopy").args(four).arg(&from).arg(&uri));
    succeed(Command::new("nbdcopy").args(four).arg(&uri).arg(&to));
    assert!(std::fs::read(&to).unwrap() == bytes);
    let converted = file(&server, "converted");
    let credentials = format!(
        "tls-creds-x509,id=tls,endpoint=client,dir={}",
        certificates.path().display()
    );
    let image = format!(
        "driver=nbd,host=127.0.0.1,port={},export=photos,tls-creds=tls",
        server.port
    );
    succeed(
        Command::new("qemu-img")
            .args([
                "convert",
                "--object",
                &credentials,
                "--image-opts",
                &image,
                "-O",
                "raw",
            ])
            .arg(&converted),
    );
    assert!(std::fs::read(&converted).unwrap() == bytes);
    let info = succeed(Command::new("nbdinfo").arg(&uri));
    assert!(info.contains("with TLS"), "{info}");
}

fn file(server: &Server, name: &str) -> PathBuf {
    server.daemon.folder().join(name)
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let server = Server::start().await;
    let rack = &server.authority;
    let stranger = Authority::new("a stranger");
    for certificates in [
        only_trusting(rack),
        rack.client(rack, true),
        stranger.client(rack, false),
    ] {
        assert!(!is_let_in(&server.shows(&certificates)));
    }
    // The client itself does not trust the server.
    assert!(!is_let_in(&server.shows(&rack.client(&stranger, false))));
    // A server's certificate is no client's.
    let [certificate, key] = rack.sign(named("a server"), ExtendedKeyUsagePurpose::ServerAuth);
    let misused = only_trusting(rack);
    std::fs::write(misused.path().join("client-cert.pem"), certificate).unwrap();
    std::fs::write(misused.path().join("client-key.pem"), key).unwrap();
    assert!(!is_let_in(&server.shows(&misused)));
    let plain = server.uri("nbd", misused.path());
    for arguments in [["--size"], ["--list"]] {
        let mut nbdinfo = Command::new("nbdinfo");
        let output = nbdinfo.args(arguments).arg(&plain).output().unwrap();
        assert!(!output.status.success());
        assert!(!String::from_utf8_lossy(&output.stdout).contains("photos"));
    }
    assert!(is_let_in(&server.shows(&rack.client(rack, false))));
    // This node's own socket is another matter.
    succeed(Command::new("nbdinfo").arg(server.daemon.uri("photos")));
}

/// Connects, and goes on when it is told to.
const STAYS: &str = r"
import nbd, sys
h = nbd.NBD()
h.set_uri_allow_local_file(True)
h.connect_uri(sys.argv[1])
print(flush=True)
sys.stdin.readline()
h.pwrite(b'x' * 4096, 0)
assert h.pread(4096, 0) == b'x' * 4096
";

#[tokio::test]
async fn a_hangup_reads_the_certificates_again_and_keeps_connections() {
    let server = Server::start().await;
    let next = Authority::new("the next rack");
    let (before, after) = (
        server.authority.client(&server.authority, false),
        next.client(&server.authority, false),
    );
    assert!(is_let_in(&server.shows(&before)) && !is_let_in(&server.shows(&after)));
    let mut kept = Command::new("/usr/bin/python3")
        .args(["-c", STAYS, &server.uri("nbds", before.path())])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut connected = [0];
    std::io::Read::read_exact(kept.stdout.as_mut().unwrap(), &mut connected).unwrap();

    std::fs::write(server.files.path().join("ca.crt"), "nonsense").unwrap();
    hang_up(&server, "holds no certificate");
    assert!(is_let_in(&server.shows(&before)));
    std::fs::write(server.files.path().join("ca.crt"), next.pem()).unwrap();
    hang_up(&server, "were read again");
    assert!(!is_let_in(&server.shows(&before)) && is_let_in(&server.shows(&after)));

    std::io::Write::write_all(kept.stdin.as_mut().unwrap(), b"\n").unwrap();
    assert!(kept.wait().unwrap().success());
}

/// Has the settings read again; the log then says `sentence`.
fn hang_up(server: &Server, sentence: &str) {
    server.daemon.signal(Signal::SIGHUP);
    let deadline = Instant::now() + PATIENCE;
    while !server.daemon.log().contains(sentence) {
        assert!(Instant::now() < deadline, "{}", server.daemon.log());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[tokio::test]
async fn loopback_needs_no_tls_and_an_address_has_its_share_of_connections() {
    let port = free_port();
    let config = format!("nbd_listen = \"127.0.0.1:{port}\"\nnbd_connections_per_address = 3\n");
    let daemon = Daemon::start_with(&config);
    daemon.create("photos", 1 << 20).await;
    let script = r"
import nbd, sys
def connect():
    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    return h
held = [connect() for _ in range(3)]
try:
    connect()
except nbd.Error:
    pass
else:
    raise AssertionError('a fourth connection')
held[0].shutdown()
for attempt in range(1000):
    try:
        connect().pread(1, 0)
        break
    except nbd.Error:
        assert attempt < 999
";
    let mut python = Command::new("/usr/bin/python3");
    succeed(
        python
            .args(["-c", script])
            .arg(format!("nbd://127.0.0.1:{port}/photos")),
    );
}

#[test]
fn the_check_refuses_an_address_that_anybody_could_use_and_files_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("volumed.toml");
    let check = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let mut check = volumed();
        check
            .args(["serve", "--check-config", "--config"])
            .arg(&config);
        check
    };
    let refusal = |text: &str| {
        let output = check(text).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let sentence = refusal("nbd_listen = \"0.0.0.0:10809\"\n");
    assert!(sentence.contains("set nbd_tls_certificate"), "{sentence}");
    let with_tls = settings("0.0.0.0:10809", folder.path());
    let sentence = refusal(&with_tls);
    assert!(sentence.contains("ca.crt: No such file"), "{sentence}");
    Authority::new("the rack").write_server(folder.path());
    succeed(&mut check(&with_tls));
}
