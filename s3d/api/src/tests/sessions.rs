//! Sessions in cookies, and what they may have signed.

use axum::http::header::SET_COOKIE;

use super::*;

const ORIGIN: (&str, &str) = ("origin", "http://rack.example");

/// The cookie of a session, as a browser sends it back.
async fn open(api: &Api, name: &str) -> String {
    let login = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
    let opened = api
        .browse("POST", "/api/v1/session", &[ORIGIN], login)
        .await;
    assert_eq!(opened.status, StatusCode::NO_CONTENT, "{}", opened.body);
    let cookie = opened.headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_is_a_cookie_that_only_its_own_pages_change_things_with() {
    let api = Api::new();
    api.user("ada").await;
    let session = open(&api, "ada").await;
    let cookie = ("cookie", session.as_str());
    let user = api
        .browse("GET", "/api/v1/user", &[cookie], Value::Null)
        .await;
    assert_eq!(user.text("email"), "ada@example.com");

    let bucket = json!({"name": "first"});
    for wrong in [
        vec![cookie],
        vec![cookie, ("origin", "http://other.example")],
        vec![cookie, ("origin", "http://rack.example:9000")],
        vec![cookie, ("origin", "null")],
    ] {
        let refused = api.browse("POST", "/buckets", &wrong, bucket.clone()).await;
        refused.refuses(403, "OtherOrigin");
    }
    let made = api
        .browse("POST", "/buckets", &[cookie, ORIGIN], bucket)
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);

    let closed = api
        .browse("DELETE", "/api/v1/session", &[cookie, ORIGIN], Value::Null)
        .await;
    let gone = closed.headers[SET_COOKIE].to_str().unwrap();
    assert!(gone.contains("Max-Age=0"), "{gone}");
    let none = ("cookie", "hayrack-session=; other=x");
    let user = api
        .browse("GET", "/api/v1/user", &[none], Value::Null)
        .await;
    user.refuses(401, "TokenMissing");
}

#[tokio::test]
async fn a_page_of_another_origin_signs_nobody_in() {
    let api = Api::new();
    api.user("ada").await;
    let login = json!({"email": "ada@example.com", "password": "correct horse"});
    for headers in [vec![], vec![("origin", "http://other.example")]] {
        let refused = api
            .browse("POST", "/api/v1/session", &headers, login.clone())
            .await;
        refused.refuses(403, "OtherOrigin");
    }
    let encrypted = [("origin", "https://rack.example")];
    let opened = api
        .browse("POST", "/api/v1/session", &encrypted, login)
        .await;
    let cookie = opened.headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn requests_are_signed_with_a_key_that_ends_by_itself() {
    let api = Api::new();
    let ada = api.user("ada").await;
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let path = "/api/v1/buckets/first/presigned-urls";
    let get = json!({"requests": [{"method": "GET", "key": "a b/c"}]});
    let signed = api.post(path, &ada, get.clone()).await;
    assert_eq!(signed.status, StatusCode::OK, "{}", signed.body);
    let url = signed.body["urls"][0].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://s3.example.com:9000/first/a%20b/c?"));
    assert!(url.contains("X-Amz-Expires=900") && url.contains("X-Amz-Signature="));
    api.post(path, &ada, get).await;
    let put = json!({"requests": [{"method": "PUT", "key": "x", "query": {"partNumber": "1"}}]});
    api.post(path, &ada, put).await;

    let keys = api.get("/api/v1/keys", &ada).await;
    let keys = keys.body["keys"].as_array().unwrap().clone();
    let ending: Vec<&Value> = keys
        .iter()
        .filter(|key| key["expires"].is_string())
        .collect();
    let mut accesses: Vec<&str> = ending
        .iter()
        .map(|key| key["access"].as_str().unwrap())
        .collect();
    accesses.sort_unstable();
    assert_eq!(accesses, ["read-only", "read-write"]);
    let reading = ending
        .iter()
        .find(|key| key["access"] == "read-only")
        .unwrap();
    let id = reading["accessKeyID"].as_str().unwrap();
    assert!(url.contains(id));
    api.delete(&format!("/api/v1/keys/{id}"), &ada).await;
    let get = json!({"requests": [{"method": "GET"}], "expiresInSeconds": 60});
    let again = api.post(path, &ada, get).await;
    assert!(!again.body["urls"][0].as_str().unwrap().contains(id));
}

#[tokio::test]
async fn only_what_a_role_may_do_is_signed() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let eve = api.member(&ada, "ada", "eve", "viewer").await;
    let bob = api.user("bob").await;
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let path = "/api/v1/buckets/first/presigned-urls";
    let ask = |method: &str| json!({"requests": [{"method": method, "key": "k"}]});
    assert_eq!(
        api.post(path, &eve, ask("GET")).await.status,
        StatusCode::OK
    );
    api.post(path, &eve, ask("DELETE"))
        .await
        .refuses(403, "RoleTooLow");
    api.post(path, &bob, ask("GET"))
        .await
        .refuses(404, "NoSuchBucket");
    for wrong in [
        json!({}),
        json!({"requests": []}),
        ask("TRACE"),
        json!({"requests": [{"method": "GET", "query": {"X-Amz-Expires": "9"}}]}),
        json!({"requests": [{"method": "GET", "body": "x"}]}),
    ] {
        let refused = api.post(path, &ada, wrong).await;
        refused.refuses(400, "InvalidFields").names(&["requests"]);
    }
    let long = json!({"requests": [{"method": "GET"}], "expiresInSeconds": 604_801});
    let refused = api.post(path, &ada, long).await;
    refused
        .refuses(400, "InvalidFields")
        .names(&["expiresInSeconds"]);
}

#[tokio::test]
async fn buckets_are_followed_while_they_change() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let request = Request::get("/api/v1/bucket-events")
        .header("authorization", format!("Bearer {ada}"))
        .body(Body::empty());
    let answer = api.router.clone().oneshot(request.unwrap()).await.unwrap();
    let mut body = answer.into_body();
    let mut event = async || {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    assert!(
        event()
            .await
            .ends_with("event: buckets\ndata: {\"buckets\":[]}\n\n")
    );
    api.volumes.away.store(true, SeqCst);
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    assert!(event().await.contains("\"status\":\"Provisioning\""));
    api.buckets.end_feeds();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_code_signs_its_user_in_once() {
    let api = Api::new();
    api.user("ada").await;
    let email = Email::new("ada@example.com").unwrap();
    let enter = |code: &str| {
        let body = json!({"code": code});
        api.browse("POST", "/api/v1/session/code", &[ORIGIN], body)
    };
    let replaced = api.accounts.make_sign_in_code(&email).await.unwrap();
    let code = api.accounts.make_sign_in_code(&email).await.unwrap();
    let code = code.unwrap();
    for wrong in [replaced.as_deref().unwrap(), "", "x", &code[..32]] {
        enter(wrong).await.refuses(401, "WrongCode");
    }
    let elsewhere = [("origin", "http://other.example")];
    let body = json!({"code": code});
    let refused = api.browse("POST", "/api/v1/session/code", &elsewhere, body);
    refused.await.refuses(403, "OtherOrigin");
    let (first, second) = tokio::join!(enter(&code), enter(&code));
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::NO_CONTENT, StatusCode::UNAUTHORIZED]);
    let nobody = Email::new("nobody@example.com").unwrap();
    let code = api.accounts.make_sign_in_code(&nobody).await.unwrap();
    assert_eq!(code, None);
}
