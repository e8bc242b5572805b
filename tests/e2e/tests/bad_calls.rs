//! The other doors: the REST API and volumed's two sockets.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hayrack_e2e::api::Api;
use hayrack_e2e::http::{Request, exchange};
use hayrack_e2e::rack::Site;
use serde_json::{Value, json};

/// An error has a code and a sentence, at the top or per field.
fn assert_explained(answer: &Value) {
    let text = answer.to_string();
    assert!(
        answer.is_object() && text.contains(' '),
        "no sentence: {text}"
    );
}

#[test]
fn the_rest_api_explains_what_is_wrong() {
    let site = Site::new();
    let rack = site.start();
    let (nobody, user) = (Api::new(site.api), rack.api());
    let sign_up = "/api/v1/auth/sign-up";
    for (email, password, namespace) in [
        ("no-email", "long enough it is", "fine"),
        ("a@example.com", "short", "fine"),
        ("a@example.com", "long enough it is", "Not_Fine"),
        ("a@example.com", "long enough it is", "admin"),
        ("a@example.com", "long enough it is", "../etc"),
    ] {
        let body = json!({ "email": email, "password": password, "namespace": namespace });
        let (status, answer) = nobody.send("POST", sign_up, Some(body));
        assert!(
            [400, 409, 422].contains(&status),
            "{email} {password} {namespace}: {status}"
        );
        assert_explained(&answer);
    }
    for body in [
        json!({}),
        json!([]),
        json!("x"),
        json!({ "email": 7, "password": null }),
    ] {
        let (status, answer) = nobody.send("POST", sign_up, Some(body));
        assert!([400, 422].contains(&status), "{status}: {answer}");
        assert_explained(&answer);
    }
    for name in [
        "",
        "ab",
        "Has-Capitals",
        "under_score",
        "-dash",
        "192.168.0.1",
        "a..b",
        "../x",
    ] {
        let (status, answer) = user.send("POST", "/buckets", Some(json!({ "name": name })));
        assert!([400, 422].contains(&status), "{name:?}: {status} {answer}");
        assert_explained(&answer);
    }
    let bucket = json!({ "name": rack.var("HAYRACK_BUCKET") });
    let (status, answer) = user.send("POST", "/buckets", Some(bucket.clone()));
    assert_eq!(status, 409, "{answer}");
    assert_explained(&answer);
    for token in [
        None,
        Some("nonsense"),
        Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."),
    ] {
        let api = Api {
            address: site.api,
            token: token.map(str::to_owned),
        };
        let (status, answer) = api.send("POST", "/buckets", Some(bucket.clone()));
        assert_eq!(status, 401, "{token:?}: {answer}");
        assert_explained(&answer);
    }
    assert!(rack.stop().success());
}

#[test]
fn the_rest_api_refuses_what_is_no_json_and_what_is_too_much() {
    let site = Site::new();
    let rack = site.start();
    for body in [
        b"{".to_vec(),
        b"\xff\xfe".to_vec(),
        vec![b'['; 100_000],
        vec![b' '; 16 << 20],
    ] {
        let request = Request::new("POST", "/api/v1/auth/login")
            .header("host", site.api.to_string())
            .header("content-type", "application/json")
            .body(body);
        // It may close before it has read everything.
        if let Ok(answer) = exchange(site.api, &request) {
            assert!((400..500).contains(&answer.status), "{}", answer.status);
        }
    }
    assert!(rack.api().token.is_some());
    assert!(rack.stop().success());
}

#[test]
fn another_tenants_bucket_is_out_of_reach() {
    let site = Site::new();
    let rack = site.start();
    let path = format!("{}/secret", rack.bucket());
    assert_eq!(rack.s3().put(&path, "secret").status, 200);
    let stranger = Api::new(site.api).sign_up("other@example.com", "a long password", "other");
    let (status, own) = stranger.send("POST", "/buckets", Some(json!({ "name": "others-bucket" })));
    assert!((200..300).contains(&status), "{own}");
    let key = |field: &str| own[field].as_str().expect("creating a bucket returns keys");
    let s3 = hayrack_e2e::s3::S3::new(site.s3, key("accessKeyID"), key("secretAccessKey"));
    assert_eq!(s3.put("/others-bucket/mine", "mine").status, 200);
    for answer in [
        s3.get(&path),
        s3.put(&path, "mine"),
        s3.delete(&path),
        s3.get(&format!("{}?list-type=2", rack.bucket())),
        s3.delete(&rack.bucket()),
    ] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "AccessDenied")
        );
    }
    let listed = stranger.send("GET", "/api/v1/buckets", None).1.to_string();
    assert!(listed.contains("others-bucket"), "{listed}");
    assert!(!listed.contains(&rack.var("HAYRACK_BUCKET")), "{listed}");
    let foreign = format!("/api/v1/buckets/{}", rack.var("HAYRACK_BUCKET"));
    for method in ["GET", "DELETE"] {
        let (status, _) = stranger.send(method, &foreign, None);
        assert!([403, 404].contains(&status), "{method} {foreign}: {status}");
    }
    assert_eq!(rack.s3().get(&path).text(), "secret");
    assert!(rack.stop().success());
}

#[test]
fn nonsense_on_volumeds_sockets_harms_nobody() {
    let site = Site::new();
    let rack = site.start();
    let path = format!("{}/kept", rack.bucket());
    assert_eq!(rack.s3().put(&path, "kept").status, 200);
    for name in ["admin.sock", "nbd.sock"] {
        let socket = site.data().join("volumed").join(name);
        let mode = std::fs::metadata(&socket)
            .expect("it exists")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name} is open to others");
        for sample in [
            vec![0; 64],
            vec![0xff; 1 << 16],
            b"IHAVEOPT".repeat(1000),
            Vec::new(),
        ] {
            let mut stream = UnixStream::connect(&socket).expect("volumed listens");
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .expect("a timeout");
            // It may close before it has read everything.
            let _ = stream.write_all(&sample);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    assert_eq!(rack.s3().get(&path).text(), "kept");
    assert!(rack.stop().success());
}
