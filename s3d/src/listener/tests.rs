use std::fmt::Write as _;

use axum::routing::get;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn bind() -> Listener {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Listener::bind(any, "--s3-listen", "S3D_S3_LISTEN")
        .await
        .unwrap()
}

fn serving(total: usize) -> Serving {
    Serving {
        connections: Connections::new(ConnectionLimits {
            total,
            per_address: total,
        }),
        tls: None,
        proxies: Proxies::default(),
        workers: Arc::new(Workers::new(vec![Handle::current()])),
        idle_time: Duration::from_secs(75),
    }
}

/// Serves a page on a port of its own until the sender is dropped.
async fn start(serving: &Serving) -> (SocketAddr, watch::Sender<()>, JoinHandle<()>) {
    let listener = bind().await;
    let address = listener.address().unwrap();
    let (stop, stopped) = watch::channel(());
    let router = Router::new().route("/", get(|| async { "done" }));
    let served = tokio::spawn(listener.serve(router, serving.clone(), stopped));
    (address, stop, served)
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn an_address_in_use_is_named_with_what_changes_it() {
    let listener = bind().await;
    let address = listener.address().unwrap();
    let again = Listener::bind(address, "--s3-listen", "S3D_S3_LISTEN").await;
    let sentence = again.unwrap_err().to_string();
    for part in [&address.to_string(), "--s3-listen", "S3D_S3_LISTEN"] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[tokio::test]
async fn an_answer_under_way_is_finished_at_the_end() {
    let listener = bind().await;
    let address = listener.address().unwrap();
    let (stop, stopped) = watch::channel(());
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(1);
    let (go, gone) = watch::channel(());
    let answer = move || {
        let (mut gone, asked) = (gone.clone(), asked.clone());
        async move {
            asked.send(()).await.unwrap();
            let _ = gone.changed().await;
            "done"
        }
    };
    let router = Router::new().route("/", get(answer));
    let served = tokio::spawn(listener.serve(router, serving(9), stopped));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    was_asked.recv().await.unwrap();
    drop(stop);
    // The listener is closed, but the answer still comes.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop(go);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("done"), "{text}");
    served.await.unwrap();
}

#[tokio::test]
async fn one_connection_too_many_is_told_to_come_back() {
    let serving = serving(1);
    let (address, _stop, _served) = start(&serving).await;
    let first = TcpStream::connect(address).await.unwrap();
    while serving.connections.count() == 0 {
        tokio::task::yield_now().await;
    }
    let mut text = String::new();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert!(text.contains("Retry-After"), "{text}");
    drop(first);
    while serving.connections.count() > 0 {
        tokio::task::yield_now().await;
    }
    let third = TcpStream::connect(address).await.unwrap();
    assert!(exchange(third, REQUEST).await.ends_with("done"));
}

#[tokio::test]
async fn many_headers_are_taken_and_too_many_are_refused() {
    let (address, _stop, _served) = start(&serving(9)).await;
    let with_headers = async |count: usize| {
        let mut request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".to_owned();
        for number in 0..count {
            write!(request, "x-amz-meta-{number}: {number}\r\n").unwrap();
        }
        request += "\r\n";
        exchange(
            TcpStream::connect(address).await.unwrap(),
            request.as_bytes(),
        )
        .await
    };
    assert!(with_headers(400).await.starts_with("HTTP/1.1 200"));
    assert!(with_headers(MAX_HEADERS).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_connection_that_stays_idle_is_closed() {
    let serving = Serving {
        idle_time: Duration::from_millis(20),
        ..serving(9)
    };
    let (address, _stop, _served) = start(&serving).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HT").await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_connection_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = tls::tests::self_signed(folder.path(), "own");
    let tls = Tls::load(&files).unwrap();
    let serving = Serving {
        tls: Some(tls.clone()),
        ..serving(9)
    };
    let (address, _stop, _served) = start(&serving).await;
    for _ in 0..2 {
        let stream = connect(address, &files).await.unwrap();
        assert!(exchange(stream, REQUEST).await.ends_with("done"));
        tls::tests::self_signed(folder.path(), "own");
        connect(address, &files)
            .await
            .expect_err("the former certificate is served");
        tls.reload(&files).unwrap();
    }
}

#[tokio::test]
async fn each_name_gets_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let made = ["localhost", "*.home.s3.example.org"]
        .map(|name| tls::tests::self_signed_for(folder.path(), name, name));
    let all = folder.path().join("all.pem");
    let parts = made
        .iter()
        .flat_map(|files| [&files.tls_certificate, &files.tls_key]);
    let text: String = parts
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    std::fs::write(&all, text).unwrap();
    let files = TlsFiles {
        tls_certificate: all.clone(),
        tls_key: all,
    };
    let serving = Serving {
        tls: Some(Tls::load(&files).unwrap()),
        ..serving(9)
    };
    let (address, _stop, _served) = start(&serving).await;
    for (name, trusted) in ["localhost", "photos.home.s3.example.org"]
        .iter()
        .zip(&made)
    {
        let stream = TcpStream::connect(address).await.unwrap();
        let stream = agree_with(name, stream, trusted).await.unwrap();
        assert!(exchange(stream, REQUEST).await.ends_with("done"), "{name}");
    }
}

/// What a proxy says of a client at 192.0.2.7.
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 127.0.0.1 50000 443\r\n";

/// Serves each client its own address; only `per_address` connections of each are open at once.
async fn start_behind_proxy(
    serving: Serving,
    per_address: usize,
) -> (SocketAddr, watch::Sender<()>) {
    let listener = bind().await;
    let address = listener.address().unwrap();
    let (stop, stopped) = watch::channel(());
    let own = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let router = Router::new().route("/", get(own));
    let serving = Serving {
        connections: Connections::new(ConnectionLimits {
            total: 9,
            per_address,
        }),
        proxies: network("127.0.0.1").into_iter().collect(),
        ..serving
    };
    tokio::spawn(listener.serve(router, serving, stopped));
    (address, stop)
}

#[tokio::test]
async fn a_proxy_says_whose_a_connection_is() {
    let (address, _stop) = start_behind_proxy(serving(9), 9).await;
    let connect = || TcpStream::connect(address);
    let mut first = connect().await.unwrap();
    first.write_all(HEADER).await.unwrap();
    assert!(exchange(first, REQUEST).await.ends_with("192.0.2.7:50000"));
    let mut text = Vec::new();
    let mut second = connect().await.unwrap();
    second.write_all(REQUEST).await.unwrap();
    // Closed with bytes that nobody read, it may be reset.
    let _ = second.read_to_end(&mut text).await;
    assert!(text.is_empty(), "a connection without a header is served");
}

#[tokio::test]
async fn others_than_proxies_cannot_say_who_they_are() {
    let (address, _stop, _served) = start(&serving(9)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(HEADER).await.unwrap();
    assert!(exchange(client, REQUEST).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn connections_of_a_proxy_count_as_their_clients() {
    let (address, _stop) = start_behind_proxy(serving(9), 1).await;
    let connect = async |client: u8| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let header = format!("PROXY TCP4 192.0.2.{client} 127.0.0.1 1 443\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        (String::from_utf8(answer).unwrap(), stream)
    };
    let (first, _held) = connect(1).await;
    let (again, _) = connect(1).await;
    let (other, _) = connect(2).await;
    assert_eq!(first, "HTTP/1.1 200");
    assert_eq!(again, "HTTP/1.1 503");
    assert_eq!(other, "HTTP/1.1 200");
}

#[tokio::test]
async fn tls_begins_behind_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let files = tls::tests::self_signed(folder.path(), "own");
    let serving = Serving {
        tls: Some(Tls::load(&files).unwrap()),
        ..serving(9)
    };
    let (address, _stop) = start_behind_proxy(serving, 9).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HEADER).await.unwrap();
    let stream = agree(stream, &files).await.unwrap();
    assert!(exchange(stream, REQUEST).await.ends_with("192.0.2.7:50000"));
}

/// Connects as a client that trusts the certificate in the file alone.
async fn connect(
    address: SocketAddr,
    trusted: &TlsFiles,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    agree(TcpStream::connect(address).await?, trusted).await
}

/// Agrees on TLS as a client that trusts the certificate in the file alone.
async fn agree(
    stream: TcpStream,
    trusted: &TlsFiles,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    agree_with("localhost", stream, trusted).await
}

/// The same, with a server of another name.
async fn agree_with(
    name: &'static str,
    stream: TcpStream,
    trusted: &TlsFiles,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let own = rustls::pki_types::CertificateDer::from_pem_file(&trusted.tls_certificate);
    roots.add(own.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name).unwrap();
    connector.connect(name, stream).await
}
