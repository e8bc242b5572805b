use super::*;

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let api = Api::new();
    let path = "/api/v1/auth/sign-up";
    let answer = api.post(path, "", json!({})).await;
    answer
        .refuses(400, "InvalidFields")
        .names(&["email", "password"]);
    let wrong = json!({"email": "ada", "password": "short", "namespace": "www", "role": "admin"});
    let answer = api.post(path, "", wrong).await;
    answer
        .refuses(400, "InvalidFields")
        .names(&["email", "namespace", "password", "role"]);
    let wrong = json!({"email": 7, "password": ["x"], "namespace": {}});
    let answer = api.post(path, "", wrong).await;
    answer
        .refuses(400, "InvalidFields")
        .names(&["email", "namespace", "password"]);
    let null = json!({"email": null, "password": "correct horse", "namespace": null});
    api.post(path, "", null)
        .await
        .refuses(400, "InvalidFields")
        .names(&["email"]);
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let api = Api::new();
    for body in [
        "",
        "{",
        "[1]",
        "\"x\"",
        "null",
        "name=x",
        "{\"a\":1}x",
        "\u{0}",
    ] {
        let answer = api.send("POST", "/api/v1/auth/login", "", body).await;
        answer.refuses(400, "InvalidJSON");
    }
    let invalid_utf8 = b"{\"email\":\"\xff\"}".to_vec();
    api.send("POST", "/api/v1/auth/login", "", invalid_utf8)
        .await
        .refuses(400, "InvalidJSON");
    let large = "x".repeat(20_000);
    api.send("POST", "/api/v1/auth/login", "", large)
        .await
        .refuses(413, "BodyTooLarge");
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let api = Api::new();
    let paths = [
        "/api/v1/user",
        "/api/v1/buckets",
        "/buckets",
        "/buckets/x",
        "/api/v1/keys",
        "/api/v1/namespaces",
    ];
    for path in paths {
        let answer = api.get(path, "").await;
        answer.refuses(401, "TokenMissing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        api.get(path, "a.b.c").await.refuses(401, "TokenInvalid");
    }
    let answer = api
        .post("/buckets", "garbage", json!({"name": "abc"}))
        .await;
    answer.refuses(401, "TokenInvalid");
    api.delete("/api/v1/keys/HRX", "")
        .await
        .refuses(401, "TokenMissing");
}

#[tokio::test]
async fn sign_in_does_not_tell_who_has_an_account() {
    let api = Api::new();
    api.user("ada").await;
    let mut bodies = Vec::new();
    for email in ["ada@example.com", "eve@example.com", "not an address"] {
        let login = json!({"email": email, "password": "wrong password"});
        let answer = api.post("/api/v1/auth/login", "", login).await;
        answer.refuses(401, "WrongCredentials");
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0], bodies[2]);
}

#[tokio::test]
async fn attempts_are_limited() {
    let api = Api::new();
    let login = json!({"email": "eve@example.com", "password": "wrong password"});
    for _ in 0..10 {
        api.post("/api/v1/auth/login", "", login.clone())
            .await
            .refuses(401, "WrongCredentials");
    }
    let answer = api.post("/api/v1/auth/login", "", login).await;
    answer.refuses(429, "TooManyAttempts");
    let after: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=31).contains(&after));
}

#[tokio::test]
async fn every_documented_call_exists_and_no_other() {
    let api = Api::new();
    let document = api.get("/openapi.json", "").await.body;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15);
    for (path, calls) in paths {
        let real = path
            .replace("{name}", "some-name")
            .replace("{namespace}", "some-name")
            .replace("{user}", "some-user")
            .replace("{id}", "some-id");
        for method in ["get", "post", "put", "patch", "delete"] {
            let answer = api.send(&method.to_uppercase(), &real, "", "{}").await;
            let known = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(known, calls.get(method).is_some(), "{method} {path}");
            assert_ne!(answer.body["code"], "NoSuchCall", "{method} {path}");
        }
        for call in calls.as_object().unwrap().values() {
            assert!(
                call["operationId"].is_string() && call["summary"].is_string(),
                "{path}"
            );
            let refusal = &call["responses"]["default"]["content"]["application/json"]["schema"];
            assert_eq!(refusal["$ref"], "#/components/schemas/Refusal", "{path}");
        }
    }
    assert_eq!(
        document["components"]["schemas"]["Refusal"]["type"],
        "object"
    );
    api.get("/api/v1/nothing", "")
        .await
        .refuses(404, "NoSuchCall");
    api.delete("/api/v1/user", "")
        .await
        .refuses(405, "MethodNotAllowed");
    assert_eq!(api.get("/healthz", "").await.status, StatusCode::OK);
}
