//! How a request goes through the hop: whose address it brings, and when its body is asked for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ask::{Ask, send};
use crate::rig::Rig;

/// Lets anybody read from an address.
fn readable_from(address: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*",
        "Action":"s3:GetObject","Resource":"arn:aws:s3:::first/*",
        "Condition":{{"IpAddress":{{"aws:SourceIp":"{address}"}}}}}}]}}"#
    )
}

#[tokio::test]
async fn the_owner_learns_the_address_of_the_client_and_believes_no_client() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    rig.ask(0, Ask::new("PUT", "/first/a").body("1"))
        .await
        .succeeds();
    let block = "<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy>\
                 </PublicAccessBlockConfiguration>";
    let unblock = Ask::new("PUT", "/first?publicAccessBlock").body(block);
    rig.ask(0, unblock).await.succeeds();
    for (address, is_read) in [("127.0.0.1/32", true), ("203.0.113.7/32", false)] {
        let policy = Ask::new("PUT", "/first?policy").body(readable_from(address));
        rig.ask(1, policy).await.succeeds();
        for node in [0, 1] {
            let get = Ask::new("GET", "/first/a").header("hayrack-hop", "s3 203.0.113.7:1 1.3");
            let read = send(rig.nodes[node].s3, get.plain()).await;
            assert_eq!(read.status.is_success(), is_read, "{address} {node}");
        }
    }
}

/// The head of a PUT whose client waits for 100, and what the server says to it.
async fn wait_for_word(
    to: SocketAddr,
    request: http::Request<axum::body::Body>,
) -> (TcpStream, String) {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        for text in [name.as_str(), ": ", value.to_str().unwrap(), "\r\n"] {
            head += text;
        }
    }
    head += "content-length: 5\r\nexpect: 100-continue\r\n\r\n";
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = vec![0; 16];
    stream.read_exact(&mut said).await.unwrap();
    (stream, String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_client_is_asked_for_its_body_when_the_owner_wants_it() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    let put = Ask::new("PUT", "/first/a").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let nobodys = put.plain();
    let (mut stream, said) = wait_for_word(rig.nodes[1].s3, nobodys).await;
    assert_eq!(said, "HTTP/1.1 403 For");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("connection: close"), "{rest}");

    let signed = Ask::new("PUT", "/first/a")
        .unsigned_payload()
        .signed(&rig.key);
    let (mut stream, said) = wait_for_word(rig.nodes[1].s3, signed).await;
    assert_eq!(said, "HTTP/1.1 100 Con");
    stream.write_all(b"hello").await.unwrap();
    let mut rest = [0; 30];
    stream.read_exact(&mut rest).await.unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("HTTP/1.1 200"), "{rest}");
    let got = rig.ask(0, Ask::new("GET", "/first/a")).await.succeeds();
    assert_eq!(got.body, "hello");
}

#[tokio::test]
async fn a_body_in_signed_chunks_or_of_unknown_length_goes_as_it_came() {
    let rig = Rig::new(2).await;
    rig.bucket(0, "first").await;
    let chunked = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let put = Ask::new("PUT", "/first/a")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .streaming_trailer()
        .body(chunked);
    rig.ask(1, put).await.succeeds();
    let got = rig.ask(0, Ask::new("GET", "/first/a")).await.succeeds();
    assert_eq!(got.body, "hello");
    let put = Ask::new("PUT", "/first/b")
        .header("transfer-encoding", "chunked")
        .body("hello");
    rig.ask(1, put).await.succeeds();
    let got = rig.ask(0, Ask::new("GET", "/first/b")).await.succeeds();
    assert_eq!(got.body, "hello");
}
