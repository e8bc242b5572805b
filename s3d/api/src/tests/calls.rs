use super::*;

#[tokio::test]
async fn from_nothing_to_a_bucket_and_back() {
    let api = Api::new();
    let sign_up = json!({"email": "Ada@example.com", "password": "correct horse"});
    let answer = api.post("/api/v1/auth/sign-up", "", sign_up).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        (answer.text("email"), answer.text("namespace")),
        ("ada@example.com", "ada")
    );
    let login = json!({"email": "ada@example.com", "password": "correct horse"});
    let answer = api.post("/api/v1/auth/login", "", login).await;
    let token = answer.text("accessToken");

    let created = api
        .post("/buckets", token, json!({"name": "s3-test-bucket"}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(
        created.text("endpoint"),
        "http://s3-test-bucket.ada.s3.example.com:9000"
    );
    assert_eq!(
        (created.text("namespace"), created.text("status")),
        ("ada", "Provisioned")
    );
    assert_eq!(created.text("secretAccessKey").len(), 40);

    let shown = api.get("/api/v1/buckets/s3-test-bucket", token).await;
    assert_eq!(shown.text("id"), created.text("id"));
    assert!(shown.body.get("secretAccessKey").is_none());
    let listed = api.get("/api/v1/buckets", token).await;
    let mut bucket = shown.body.clone();
    let usage = bucket.as_object_mut().unwrap().remove("usage");
    assert_eq!(usage, Some(json!({"objects": 0, "bytes": 0})));
    assert_eq!(listed.body["buckets"], json!([bucket]));
    let keys = api.get("/api/v1/keys", token).await;
    let key = &keys.body["keys"][0];
    assert_eq!(key["accessKeyID"], created.body["accessKeyID"]);
    assert_eq!(key["scope"], json!({"bucket": "s3-test-bucket"}));
    assert_eq!(key["access"], "read-write");
    assert!(
        !keys
            .body
            .to_string()
            .contains(created.text("secretAccessKey"))
    );

    let deleted = api.delete("/api/v1/buckets/s3-test-bucket", token).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(api.volumes.count(), 0);
    api.get("/api/v1/buckets/s3-test-bucket", token)
        .await
        .refuses(404, "NoSuchBucket");
    assert_eq!(api.get("/api/v1/keys", token).await.body["keys"], json!([]));
    let me = api.get("/api/v1/user", token).await;
    let home = &me.body["namespaces"][0];
    assert_eq!(
        (&home["name"], &home["role"]),
        (&json!("ada"), &json!("owner"))
    );
    assert_eq!(home["canonicalId"].as_str().map(str::len), Some(64));
    let created = me.text("created");
    assert!(
        created.starts_with("20") && created.ends_with('Z'),
        "{created}"
    );
}

#[tokio::test]
async fn other_tenants_are_out_of_reach() {
    let api = Api::new();
    let (ada, eve) = (api.user("ada").await, api.user("eve").await);
    let bucket = api
        .post("/buckets", &ada, json!({"name": "adas-bucket"}))
        .await;
    let key = bucket.text("accessKeyID");

    api.get("/buckets/adas-bucket", &eve)
        .await
        .refuses(404, "NoSuchBucket");
    api.delete("/buckets/adas-bucket?force=true", &eve)
        .await
        .refuses(404, "NoSuchBucket");
    api.delete(&format!("/api/v1/keys/{key}"), &eve)
        .await
        .refuses(404, "NoSuchKey");
    let scope = json!({"scope": {"bucket": "adas-bucket"}});
    api.post("/api/v1/keys", &eve, scope)
        .await
        .refuses(404, "NoSuchBucket");
    let theirs = json!({"namespace": "ada"});
    api.post("/api/v1/keys", &eve, theirs)
        .await
        .refuses(404, "NoSuchNamespace");
    let theirs = json!({"name": "eves-bucket", "namespace": "ada"});
    api.post("/buckets", &eve, theirs)
        .await
        .refuses(404, "NoSuchNamespace")
        .names(&["namespace"]);
    let taken = api
        .post("/buckets", &eve, json!({"name": "adas-bucket"}))
        .await;
    taken.refuses(409, "BucketAlreadyExists").names(&["name"]);
    assert_eq!(api.get("/buckets", &eve).await.body["buckets"], json!([]));
    assert_eq!(
        api.get("/buckets?namespace=ada", &eve).await.body["buckets"],
        json!([])
    );
    assert_eq!(api.get("/api/v1/keys", &eve).await.body["keys"], json!([]));
    assert_eq!(
        api.get("/buckets/adas-bucket", &ada).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn names_are_checked_and_taken_once() {
    let api = Api::new();
    let ada = api.user("ada").await;
    for name in [
        "ab",
        "Upper",
        "a_b",
        "..",
        "192.168.1.1",
        "xn--a",
        "console",
        "a\u{0}b",
    ] {
        let answer = api.post("/buckets", &ada, json!({"name": name})).await;
        answer.refuses(400, "InvalidFields").names(&["name"]);
    }
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let again = api.post("/buckets", &ada, json!({"name": "first"})).await;
    again
        .refuses(409, "BucketAlreadyOwnedByYou")
        .names(&["name"]);
    let again = json!({"email": "ada@example.com", "password": "correct horse"});
    let answer = api.post("/api/v1/auth/sign-up", "", again).await;
    answer.refuses(409, "EmailTaken").names(&["email"]);
    let taken = json!({"email": "b@example.com", "password": "correct horse", "namespace": "ada"});
    let answer = api.post("/api/v1/auth/sign-up", "", taken).await;
    answer.refuses(409, "NamespaceTaken").names(&["namespace"]);
    for path in ["/buckets/..%2f..%2fx", "/buckets/%00", "/buckets/ABC"] {
        api.get(path, &ada).await.refuses(404, "NoSuchBucket");
    }
    api.get("/buckets/%ff", &ada)
        .await
        .refuses(404, "NoSuchCall");
    let dotted = api
        .post("/buckets", &ada, json!({"name": "my.bucket"}))
        .await;
    assert_eq!(dotted.text("endpoint"), "http://s3.example.com:9000");
}

#[tokio::test]
async fn several_namespaces_need_a_name() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let second = api
        .post("/api/v1/namespaces", &ada, json!({"name": "work"}))
        .await;
    assert_eq!(
        (second.text("name"), second.text("role")),
        ("work", "owner")
    );
    let again = api
        .post("/api/v1/namespaces", &ada, json!({"name": "work"}))
        .await;
    again.refuses(409, "NamespaceTaken").names(&["name"]);
    assert_eq!(
        api.get("/api/v1/namespaces", &ada).await.body["namespaces"][1]["name"],
        "work"
    );

    let unclear = api.post("/buckets", &ada, json!({"name": "first"})).await;
    unclear.refuses(400, "InvalidFields").names(&["namespace"]);
    let clear = json!({"name": "first", "namespace": "work"});
    assert_eq!(
        api.post("/buckets", &ada, clear).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        api.get("/buckets?namespace=ada", &ada).await.body["buckets"],
        json!([])
    );

    let key = api
        .post("/api/v1/keys", &ada, json!({"namespace": "work"}))
        .await;
    assert_eq!(
        (&key.body["scope"], key.status),
        (&json!("namespace"), StatusCode::CREATED)
    );
    let path = format!("/api/v1/keys/{}", key.text("accessKeyID"));
    assert_eq!(api.delete(&path, &ada).await.status, StatusCode::NO_CONTENT);
    api.delete(&path, &ada).await.refuses(404, "NoSuchKey");
    for scope in [
        json!("all"),
        json!(7),
        json!({}),
        json!({"bucket": 7}),
        json!({"bucket": "A"}),
    ] {
        let answer = api
            .post("/api/v1/keys", &ada, json!({"scope": scope}))
            .await;
        answer.refuses(400, "InvalidFields");
    }
}

#[tokio::test]
async fn trouble_below_is_told_as_such() {
    let api = Api::new();
    let ada = api.user("ada").await;
    api.volumes.full.store(true, SeqCst);
    let full = api.post("/buckets", &ada, json!({"name": "first"})).await;
    full.refuses(507, "NoSpace");
    api.volumes.full.store(false, SeqCst);
    api.volumes.away.store(true, SeqCst);
    let later = api.post("/buckets", &ada, json!({"name": "second"})).await;
    assert_eq!(
        (later.status, later.text("status")),
        (StatusCode::CREATED, "Provisioning")
    );
    let wrong = api.delete("/buckets/second?force=yes", &ada).await;
    wrong.refuses(400, "InvalidFields").names(&["force"]);
}

#[tokio::test]
async fn a_quota_is_set_and_taken_back() {
    let api = Api::new();
    let ada = api.user("ada").await;
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let patch = |body: Value| api.send("PATCH", "/buckets/first", &ada, body.to_string());
    let set = patch(json!({"quotaBytes": 1_000})).await;
    assert_eq!(set.body["quotaBytes"], 1_000, "{}", set.body);
    let none = patch(json!({"quotaBytes": null})).await;
    assert_eq!(none.body["quotaBytes"], Value::Null);
    for wrong in [
        json!({}),
        json!({"quotaBytes": -1}),
        json!({"quotaBytes": "x"}),
    ] {
        patch(wrong)
            .await
            .refuses(400, "InvalidFields")
            .names(&["quotaBytes"]);
    }
}
