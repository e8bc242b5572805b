use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use tokio::time::sleep;

use super::*;

/// Answers requests as `serve` does it with each connection; their URL.
fn listen(serve: impl Fn(TcpStream, usize) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            serve(stream.expect("it can be accepted"), number);
        }
    });
    format!("http://{address}")
}

/// Takes a request without a body; its first line, or nothing when there is none.
fn take(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        text.push(char::from(byte[0]));
    }
    assert!(text.contains("\r\nhost: 127.0.0.1:"), "{text}");
    text.lines().next().map(str::to_owned)
}

fn answer(stream: &mut TcpStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    // The client may have heard enough.
    let _ = stream.write_all((head + body).as_bytes());
}

async fn ask(connections: &Connections, url: &str, path: &str) -> Result<Bytes, ExchangeError> {
    let request = Request::get(format!("{url}{path}"));
    let request = request.body(Full::default()).expect("it is a request");
    let (_, body) = connections.exchange(request, 1 << 20).await?;
    Ok(body)
}

fn connections(url: &str) -> Connections {
    server(url, None).expect("it is a URL").connections
}

/// Whether the last connection can be used again.
fn is_free(connections: &Connections) -> bool {
    let mut idle = connections.idle();
    idle.back_mut().is_some_and(|(last, _)| last.is_free())
}

#[tokio::test]
async fn requests_follow_one_another_on_one_connection() {
    let url = listen(|mut stream, number| {
        while let Some(line) = take(&mut stream) {
            answer(&mut stream, &format!("{number}: {line}"));
        }
    });
    let connections = connections(&url);
    for _ in 0..3 {
        let body = ask(&connections, &url, "/a?b").await.expect("an answer");
        assert_eq!(body, "0: GET /a?b HTTP/1.1");
    }
}

#[tokio::test]
async fn what_the_server_closed_is_replaced() {
    let url = listen(|mut stream, number| {
        take(&mut stream);
        answer(&mut stream, &number.to_string());
    });
    let connections = connections(&url);
    for number in 0..3 {
        let body = ask(&connections, &url, "/").await.expect("an answer");
        assert_eq!(body, number.to_string());
        while is_free(&connections) {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn answers_are_received_whole_up_to_a_limit() {
    let url = listen(|mut stream, _| {
        while let Some(line) = take(&mut stream) {
            let long = line.contains("long");
            answer(&mut stream, &"x".repeat((1 << 20) + usize::from(long)));
        }
    });
    let connections = connections(&url);
    let body = ask(&connections, &url, "/").await.expect("an answer");
    assert_eq!(body.len(), 1 << 20);
    let refused = ask(&connections, &url, "/long").await;
    assert!(
        matches!(refused, Err(ExchangeError::TooLong(_))),
        "{refused:?}"
    );
    // What is left of it is not taken for the next answer.
    let body = ask(&connections, &url, "/").await;
    assert_eq!(body.map(|it| it.len()).ok(), Some(1 << 20));
}

#[tokio::test]
async fn whoever_is_not_there_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let url = format!("http://{address}");
    let error = ask(&connections(&url), &url, "/").await;
    let error = error.expect_err("nobody listens").root_cause();
    assert!(error.contains("refused"), "{error}");
}
