//! The admin API as raw HTTP: every answer is JSON, every refusal has a code and a sentence.
#![allow(clippy::unwrap_used)]

mod daemon;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use daemon::Daemon;
use serde_json::{Value, json};
use volumed_client::admin::ErrorCode;

fn call(daemon: &Daemon, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(daemon.admin_socket()).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {length}\r\n\r\n").unwrap();
    // The daemon may refuse before it has read all.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    (status, answer.split_off(end + 4))
}

fn json_call(daemon: &Daemon, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let (status, body) = call(daemon, method, path, body);
    (
        status,
        serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{body:?}")),
    )
}

#[test]
fn bad_requests_get_a_code_and_a_sentence() {
    let daemon = Daemon::start();
    let long = [
        b"{\"name\":\"",
        &vec![b'a'; 3 << 20][..],
        b"\",\"size\":4096}",
    ]
    .concat();
    let cases: [(&str, &str, &[u8], u16, &str); 9] = [
        ("POST", "/v1/volumes", b"", 400, "invalid_request"),
        (
            "POST",
            "/v1/volumes",
            b"{\"name\":\"a\"}",
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/v1/volumes",
            b"{\"name\":\"a\",\"size\":-1}",
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/v1/volumes",
            b"{\"name\":\"\xff\",\"size\":4096}",
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/v1/volumes",
            b"{\"name\":\"a\",\"sise\":4096}",
            400,
            "invalid_request",
        ),
        ("POST", "/v1/volumes", &long, 400, "invalid_request"),
        ("GET", "/v1/volumes/%2e%2e", b"", 400, "invalid_name"),
        ("GET", "/v1/volumes/%ff", b"", 400, "invalid_request"),
        ("PUT", "/v1/pool", b"", 404, "no_such_call"),
    ];
    for (method, path, body, status, code) in cases {
        let (got, answer) = json_call(&daemon, method, path, body);
        assert_eq!(
            (got, &answer["code"]),
            (status, &json!(code)),
            "{method} {path}: {answer}"
        );
        assert!(answer["message"].as_str().unwrap().len() > 10, "{answer}");
    }
    let (status, _) = call(&daemon, "GET", "/v1/pool", b"");
    assert_eq!(status, 200, "the daemon goes on");
}

#[test]
fn owners_are_checked() {
    let daemon = Daemon::start();
    let body = br#"{"name":"v","size":1048576}"#;
    assert_eq!(json_call(&daemon, "POST", "/v1/volumes", body).0, 201);
    for owner in ["", "a\nb", &"x".repeat(257)] {
        let body = json!({ "owner": owner }).to_string();
        let (status, answer) = json_call(&daemon, "POST", "/v1/volumes/v/attach", body.as_bytes());
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_owner")));
    }
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[test]
fn every_call_of_the_document_is_there_and_no_other_on_its_path() {
    let daemon = Daemon::start();
    let (status, document) = json_call(&daemon, "GET", "/openapi.json", b"");
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    for (path, calls) in document["paths"].as_object().unwrap() {
        let concrete = path.replace("{name}", "none").replace("{id}", "none");
        assert!(!concrete.contains('{'), "{path}");
        for method in METHODS {
            let (_, answer) = call(&daemon, method, &concrete, b"");
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let is_described = !calls[method.to_lowercase()].is_null();
            let is_there = answer["code"] != "no_such_call";
            assert_eq!(is_there, is_described, "{method} {path}: {answer}");
        }
    }
}

/// What anybody may ask, and what never refuses: these answer in plain text or with the document.
const NEVER_REFUSE: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];

#[test]
fn the_document_explains_everything() {
    let daemon = Daemon::start();
    let (_, document) = json_call(&daemon, "GET", "/openapi.json", b"");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut ids = BTreeSet::new();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for (method, call) in calls.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(call["summary"].as_str().unwrap().len() > 5, "{what}");
            assert!(ids.insert(call["operationId"].as_str().unwrap()), "{what}");
            let parameters = call["parameters"].as_array().into_iter().flatten();
            let parameters = parameters.filter(|it| it["in"] == "path").count();
            assert_eq!(parameters, path.matches('{').count(), "{what}");
            let refusal = &call["responses"]["default"]["content"]["application/json"];
            if !NEVER_REFUSE.contains(&&**path) {
                let schema = &refusal["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ApiError", "{what}");
            }
        }
    }
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let described = [&schema["description"], &schema["oneOf"][0]["description"]];
            let is_described = described.iter().any(|text| text.is_string());
            assert!(is_described, "{name}.{field}: {schema}");
        }
    }
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    let codes = &schemas["ErrorCode"];
    assert_eq!(
        codes["enum"].as_array().unwrap().len(),
        ErrorCode::ALL.len()
    );
    for code in ErrorCode::ALL {
        let word = serde_json::to_value(code).unwrap();
        let line = format!(
            "- `{}` ({}): {}",
            word.as_str().unwrap(),
            code.http_status(),
            code.meaning()
        );
        assert!(
            codes["description"].as_str().unwrap().contains(&line),
            "{codes}"
        );
    }
}

#[test]
fn the_metrics_are_served() {
    let daemon = Daemon::start();
    let (status, metrics) = call(&daemon, "GET", "/metrics", b"");
    let metrics = String::from_utf8(metrics).unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("\nvolumed_pool_free_bytes "), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
}

#[test]
fn a_daemon_that_serves_is_alive_and_ready() {
    let daemon = Daemon::start();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(call(&daemon, "GET", path, b"").0, 200, "{path}");
    }
}

#[test]
fn volumes_come_a_page_at_a_time() {
    let daemon = Daemon::start();
    for name in ["c", "a", "b"] {
        let body = format!("{{\"name\":\"{name}\",\"size\":4096}}");
        let (status, _) = call(&daemon, "POST", "/v1/volumes", body.as_bytes());
        assert_eq!(status, 201);
    }
    let page = |query: &str| {
        let (status, page) = json_call(&daemon, "GET", &format!("/v1/volume-pages?{query}"), b"");
        assert_eq!(status, 200, "{page}");
        let volumes = page["volumes"].as_array().unwrap().iter();
        let names: Vec<_> = volumes
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect();
        (names.join(" "), page["more"] == true)
    };
    assert_eq!(page("limit=2"), ("a b".to_owned(), true));
    assert_eq!(page("limit=2&after=b"), ("c".to_owned(), false));
    assert_eq!(page("limit=3"), ("a b c".to_owned(), false));
    assert_eq!(page("limit=3&degraded=true"), (String::new(), false));
}
