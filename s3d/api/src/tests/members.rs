use super::*;

async fn user_id(api: &Api, token: &str) -> String {
    api.get("/api/v1/user", token).await.text("id").to_owned()
}

#[tokio::test]
async fn roles_bound_what_members_may_do() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let bob = api.member(&ada, "ada", "bob", "member").await;
    let eve = api.member(&ada, "ada", "eve", "viewer").await;

    api.post("/buckets", &eve, json!({"name": "eves-bucket"}))
        .await
        .refuses(403, "RoleTooLow");
    let bucket = api
        .post("/buckets", &bob, json!({"name": "bobs-bucket"}))
        .await;
    assert_eq!(bucket.status, StatusCode::CREATED, "{}", bucket.body);
    assert_eq!(
        api.get("/buckets/bobs-bucket", &eve).await.status,
        StatusCode::OK
    );
    api.delete("/buckets/bobs-bucket", &eve)
        .await
        .refuses(403, "RoleTooLow");

    let scope = json!({"bucket": "bobs-bucket"});
    api.post("/api/v1/keys", &eve, json!({"scope": scope}))
        .await
        .refuses(403, "RoleTooLow");
    let reading = json!({"scope": scope, "access": "read-only", "expiresInSeconds": 60});
    let key = api.post("/api/v1/keys", &eve, reading).await;
    assert_eq!(
        (key.status, key.text("access")),
        (StatusCode::CREATED, "read-only")
    );
    assert!(key.text("expires") > key.text("created"));
    let bobs = format!("/api/v1/keys/{}", bucket.text("accessKeyID"));
    api.delete(&bobs, &eve).await.refuses(403, "RoleTooLow");
    let own = format!("/api/v1/keys/{}", key.text("accessKeyID"));
    assert_eq!(api.delete(&own, &eve).await.status, StatusCode::NO_CONTENT);

    let adas = format!(
        "/api/v1/namespaces/ada/members/{}",
        user_id(&api, &ada).await
    );
    for token in [&bob, &eve] {
        let whom = json!({"email": "x@example.com", "role": "owner"});
        api.post("/api/v1/namespaces/ada/invitations", token, whom)
            .await
            .refuses(403, "RoleTooLow");
        let members = api.get("/api/v1/namespaces/ada/members", token).await;
        assert_eq!(members.body["members"].as_array().unwrap().len(), 3);
        api.delete(&adas, token).await.refuses(403, "RoleTooLow");
        let change = json!({"role": "viewer"}).to_string();
        api.send("PATCH", &adas, token, change)
            .await
            .refuses(403, "RoleTooLow");
    }
}

#[tokio::test]
async fn members_change_and_leave() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let bob = api.member(&ada, "ada", "bob", "member").await;
    let path = format!(
        "/api/v1/namespaces/ada/members/{}",
        user_id(&api, &bob).await
    );
    let viewer = json!({"role": "viewer"}).to_string();
    let changed = api.send("PATCH", &path, &ada, viewer).await;
    assert_eq!(
        (changed.status, changed.text("role")),
        (StatusCode::OK, "viewer")
    );
    let wrong = api
        .send("PATCH", &path, &ada, json!({"role": "king"}).to_string())
        .await;
    wrong.refuses(400, "InvalidFields").names(&["role"]);
    let own = format!(
        "/api/v1/namespaces/ada/members/{}",
        user_id(&api, &ada).await
    );
    api.delete(&own, &ada).await.refuses(409, "LastOwner");
    assert_eq!(api.delete(&path, &bob).await.status, StatusCode::NO_CONTENT);
    api.delete(&path, &ada).await.refuses(404, "NoSuchMember");
    api.get("/api/v1/namespaces/ada/members", &bob)
        .await
        .refuses(404, "NoSuchNamespace");
    for path in [
        "/api/v1/namespaces/ada/members/x",
        "/api/v1/namespaces/-/members/x",
    ] {
        assert_eq!(api.delete(path, &ada).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn closed_sign_up_is_for_the_invited() {
    let api = Api::with(AccountSettings {
        sign_up: SignUpPolicy::Closed,
        ..AccountSettings::default()
    });
    let operator = api.operator("op").await;
    let ada = json!({"email": "ada@example.com", "password": "correct horse"});
    api.post("/api/v1/auth/sign-up", "", ada)
        .await
        .refuses(403, "SignUpClosed");
    let whom = json!({"email": "ada@example.com"});
    let invited = api
        .post("/api/v1/invitations", &operator, whom.clone())
        .await;
    let open = api.get("/api/v1/invitations", &operator).await;
    assert_eq!(open.body["invitations"][0]["id"], invited.body["id"]);
    assert!(!open.body.to_string().contains(invited.text("code")));
    let sign_up = json!({
        "email": "ada@example.com",
        "password": "correct horse",
        "invitation": invited.text("code"),
    });
    let answer = api.post("/api/v1/auth/sign-up", "", sign_up.clone()).await;
    assert_eq!(answer.text("namespace"), "ada");
    api.post("/api/v1/auth/sign-up", "", sign_up)
        .await
        .refuses(403, "InvitationUnknown");

    let ada = api.login("ada").await;
    api.post("/api/v1/invitations", &ada, whom)
        .await
        .refuses(403, "NotAnOperator");
    api.get("/api/v1/users", &ada)
        .await
        .refuses(403, "NotAnOperator");
    let users = api.get("/api/v1/users", &operator).await;
    assert_eq!(users.body["users"].as_array().unwrap().len(), 2);
    let bob = json!({"email": "bob@example.com", "password": "correct horse"});
    let added = api.post("/api/v1/users", &operator, bob).await;
    assert_eq!(added.status, StatusCode::CREATED);
    api.login("bob").await;
}

#[tokio::test]
async fn keys_are_rotated_and_passwords_changed() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let first = api.post("/api/v1/keys", &ada, json!({})).await;
    let rotate = |key: &Answer| format!("/api/v1/keys/{}/rotate", key.text("accessKeyID"));
    let grace = json!({"graceSeconds": 3_600});
    let second = api.post(&rotate(&first), &ada, grace).await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.body);
    assert_ne!(
        second.text("secretAccessKey"),
        first.text("secretAccessKey")
    );
    let keys = api.get("/api/v1/keys", &ada).await;
    assert_eq!(keys.body["keys"].as_array().unwrap().len(), 2);
    let third = api.post(&rotate(&second), &ada, json!({})).await;
    assert_eq!(third.status, StatusCode::CREATED);
    api.post(&rotate(&second), &ada, json!({}))
        .await
        .refuses(404, "NoSuchKey");
    let long = json!({"graceSeconds": 10_000_000});
    api.post(&rotate(&third), &ada, long)
        .await
        .refuses(400, "InvalidFields")
        .names(&["graceSeconds"]);

    let change = json!({"currentPassword": "correct horse", "newPassword": "battery staple"});
    let changed = api.post("/api/v1/user/password", &ada, change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    api.get("/api/v1/user", &ada)
        .await
        .refuses(401, "TokenExpired");
    let token = changed.text("accessToken");
    assert_eq!(api.get("/api/v1/user", token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn operators_set_limits() {
    let api = Api::new();
    let (operator, ada) = (api.operator("op").await, api.user("ada").await);
    let path = "/api/v1/namespaces/ada/limits";
    let limits = json!({"buckets": 1}).to_string();
    api.send("PUT", path, &ada, limits.clone())
        .await
        .refuses(403, "NotAnOperator");
    let set = api.send("PUT", path, &operator, limits).await;
    assert_eq!(set.body["buckets"], 1);
    assert_eq!(api.get(path, &ada).await.body, set.body);
    assert_eq!(set.body["keys"], Value::Null);
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    api.post("/buckets", &ada, json!({"name": "second"}))
        .await
        .refuses(409, "TooManyBuckets");
    let large = json!({"buckets": 5_000_000_000_u64}).to_string();
    api.send("PUT", path, &operator, large)
        .await
        .refuses(400, "InvalidFields")
        .names(&["buckets"]);
}

#[tokio::test]
async fn bucket_names_can_be_tried() {
    let api = Api::new();
    let (ada, bob) = (api.user("ada").await, api.user("bob").await);
    api.post("/buckets", &ada, json!({"name": "taken"})).await;
    let ask = |name: &str| format!("/api/v1/bucket-names/{name}");
    assert_eq!(api.get(&ask("free"), &bob).await.body["available"], true);
    for name in ["taken", "Upper", "console"] {
        let answer = api.get(&ask(name), &bob).await;
        assert_eq!(answer.body["available"], false);
        assert!(answer.text("reason").ends_with('.'));
    }
    api.get(&ask("free"), "").await.refuses(401, "TokenMissing");
}

#[tokio::test]
async fn changes_are_in_the_audit_log() {
    let api = Api::new();
    let (operator, ada) = (api.operator("op").await, api.user("ada").await);
    let bucket = api.post("/buckets", &ada, json!({"name": "first"})).await;
    api.delete("/buckets/first", &ada).await;
    api.delete("/buckets/first", &ada)
        .await
        .refuses(404, "NoSuchBucket");

    let path = "/api/v1/audit?namespace=ada";
    let events = api.get(path, &ada).await;
    let events = events.body["events"].as_array().unwrap();
    let actions: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["action"].as_str().unwrap(),
                event["resource"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("deleteBucket", "/buckets/first"),
        ("createBucket", "first"),
        ("signUp", "ada@example.com"),
    ];
    assert_eq!(actions, expected);
    assert_eq!(events[0]["user"], user_id(&api, &ada).await);
    assert_eq!(
        (&events[0]["status"], &events[0]["address"]),
        (&json!(204), &json!("127.0.0.1"))
    );

    api.get("/api/v1/audit", &ada)
        .await
        .refuses(403, "NotAnOperator");
    let bob = api.member(&ada, "ada", "bob", "member").await;
    api.get(path, &bob).await.refuses(403, "RoleTooLow");
    let all = api.get("/api/v1/audit?limit=1000", &operator).await;
    let text = all.body.to_string();
    assert!(text.contains("signIn") && text.contains("404"), "{text}");
    for secret in ["correct horse", bucket.text("secretAccessKey"), &ada] {
        assert!(!text.contains(secret));
    }
    let one = api.get("/api/v1/audit?limit=1", &operator).await;
    let next = format!("/api/v1/audit?limit=1&before={}", one.text("next"));
    let second = api.get(&next, &operator).await;
    assert_eq!(second.body["events"][0], all.body["events"][1]);
}
