//! s3d behind a proxy that says who the client is.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use hayrack_e2e::daemons::Daemons;
use hayrack_e2e::http::{Request, exchange};

/// Everybody in 192.0.2.0/24 may read, and nobody else.
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::proxied/*",
    "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]}"#;

/// The status line of an answer to what the proxy sends: a header, and a client's request.
fn through_proxy(daemons: &Daemons, header: &str) -> String {
    let mut stream = TcpStream::connect(daemons.s3).expect("s3d listens");
    let timeout = Some(Duration::from_secs(30));
    stream
        .set_read_timeout(timeout)
        .expect("there are timeouts");
    let mut request = Request::new("GET", "/proxied/object").header("host", "localhost");
    request.headers.push(("connection".into(), "close".into()));
    let sent = [header.as_bytes(), &request.head()].concat();
    stream.write_all(&sent).expect("s3d reads");
    let mut answer = Vec::new();
    // A connection that is refused with bytes unread may be reset.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn policies_and_the_log_see_the_client_behind_the_proxy() {
    let mut daemons = Daemons::start("1GiB");
    let (_, s3) = daemons.tenant(&["proxied"]);
    let sent = |request: Request| {
        exchange(s3.address, &s3.sign(request))
            .expect("s3d answers")
            .status
    };
    assert_eq!(
        sent(Request::new("PUT", "/proxied/object").body("bytes")),
        200
    );
    let policy = Request::new("PUT", "/proxied?policy").body(POLICY);
    assert!(sent(policy) < 300, "the policy is taken");

    let flags = [
        "--proxy-from",
        "127.0.0.1/32",
        "--log-level",
        "info,s3d::requests=debug",
    ];
    daemons.serve_with(&flags.map(OsStr::new));
    let from = |client: &str| {
        let header = format!("PROXY TCP4 {client} 127.0.0.1 50000 443\r\n");
        through_proxy(&daemons, &header)
    };
    assert_eq!(from("192.0.2.7"), "HTTP/1.1 200 OK");
    assert_eq!(from("198.51.100.7"), "HTTP/1.1 403 Forbidden");
    assert_eq!(
        through_proxy(&daemons, ""),
        "",
        "a proxy has to say who the client is"
    );
    let own_check = through_proxy(&daemons, "PROXY UNKNOWN\r\n");
    assert_eq!(own_check, "HTTP/1.1 403 Forbidden");
    let log = daemons.log();
    for part in [
        "client=192.0.2.7",
        "client=198.51.100.7",
        "client=127.0.0.1",
        "send-proxy-v2",
    ] {
        assert!(log.contains(part), "{part} is missing:\n{log}");
    }
}
