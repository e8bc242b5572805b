//! What clients see on their connections.

use std::time::Duration;

use axum::Router;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::rack::{Ask, Rack};

async fn connect(rack: &Rack) -> TcpStream {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback_service(rack.front.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    TcpStream::connect(address).await.unwrap()
}

/// The head of a request, with more headers.
fn head<B>(request: &Request<B>, more: &str) -> String {
    let (method, target) = (request.method(), request.uri());
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        if name != "content-length" {
            head.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
        }
    }
    head + more + "\r\n"
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn who_sends_a_body_in_vain_reads_why() {
    const LENGTH: usize = 16 << 20;
    let rack = Rack::new().await;
    let mut stream = connect(&rack).await;
    let put = Ask::new("PUT", "/bucket/k").plain();
    let head = head(&put, &format!("content-length: {LENGTH}\r\n"));
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of it is taken, although nobody wants it.
    stream.write_all(&vec![0; LENGTH]).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
}

#[tokio::test]
async fn who_waits_for_100_is_refused_at_once() {
    let rack = Rack::new().await;
    let mut stream = connect(&rack).await;
    let put = Ask::new("PUT", "/bucket/k").plain();
    let head = head(&put, "content-length: 5\r\nexpect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn who_waits_for_100_with_a_body_gets_it() {
    let rack = Rack::new().await;
    let mut stream = connect(&rack).await;
    let put = Ask::new("PUT", "/bucket/k").presigned(&rack.key, Duration::from_mins(1));
    let head = head(&put, "content-length: 5\r\nexpect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// aws-cli v1 takes the answer without a 100 before it for that of its next request, if it can send
/// one on the same connection.
#[tokio::test]
async fn who_waits_for_100_without_a_body_has_the_connection_closed() {
    let rack = Rack::new().await;
    let mut stream = connect(&rack).await;
    let put = Ask::new("PUT", "/bucket/k").presigned(&rack.key, Duration::from_mins(1));
    let head = head(&put, "content-length: 0\r\nexpect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_may_be_as_long_as_it_turns_out() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k").payload("UNSIGNED-PAYLOAD");
    let put = head(
        &put.signed(&rack.key),
        "transfer-encoding: chunked\r\nconnection: close\r\n",
    );
    // One that breaks off names nothing.
    let mut broken = connect(&rack).await;
    let begun = format!("{put}5\r\nhello\r\n");
    broken.write_all(begun.as_bytes()).await.unwrap();
    broken.shutdown().await.unwrap();
    let answer = rest(broken).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    rack.get("/bucket/k").await.refuses(404, "NoSuchKey");
    let mut stream = connect(&rack).await;
    let whole = format!("{put}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    stream.write_all(whole.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stored = rack.get("/bucket/k").await.succeeds();
    assert_eq!(stored.text(), "hello world");
}
