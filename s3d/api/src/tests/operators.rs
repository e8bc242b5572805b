//! What only operators may. No volume daemon is there: what an operator may is answered that it is away.

use super::*;

const CALLS: [(&str, &str); 13] = [
    ("GET", "/api/v1/rack"),
    ("GET", "/api/v1/rack/usage"),
    ("GET", "/api/v1/volumes"),
    ("GET", "/api/v1/nodes/here/disks"),
    ("POST", "/api/v1/nodes/here/disks/d/drain"),
    ("DELETE", "/api/v1/nodes/here/disks/d/drain"),
    ("POST", "/api/v1/nodes/here/disks/d/retry"),
    ("DELETE", "/api/v1/nodes/here/disks/d?acceptLoss=true"),
    ("GET", "/api/v1/nodes/node-1/disks"),
    ("POST", "/api/v1/nodes/node-1/drain"),
    ("DELETE", "/api/v1/nodes/node-1/drain"),
    ("DELETE", "/api/v1/nodes/node-1"),
    ("POST", "/api/v1/join-tokens"),
];

#[tokio::test]
async fn the_machines_are_for_operators() {
    let api = Api::new();
    let (ada, ops) = (api.user("ada").await, api.operator("ops").await);
    for (method, path) in CALLS {
        let stranger = api.send(method, path, "", Body::empty()).await;
        stranger.refuses(401, "TokenMissing");
        let refused = api.send(method, path, &ada, Body::empty()).await;
        refused.refuses(403, "NotAnOperator");
        let away = api.send(method, path, &ops, Body::empty()).await;
        away.refuses(503, "Unavailable");
    }
    for path in ["/api/v1/volumes?limit=0", "/api/v1/volumes?limit=201"] {
        let wrong = api.get(path, &ops).await;
        wrong.refuses(400, "InvalidFields").names(&["limit"]);
    }
}

#[tokio::test]
async fn tenants_are_listed_with_what_they_hold_and_may() {
    let api = Api::new();
    let (ada, ops) = (api.user("ada").await, api.operator("ops").await);
    api.get("/api/v1/tenants", &ada)
        .await
        .refuses(403, "NotAnOperator");
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let limits = json!({"buckets": 2}).to_string();
    let set = api
        .send("PUT", "/api/v1/namespaces/ada/limits", &ops, limits)
        .await;
    assert_eq!(set.status, StatusCode::OK);
    let page = api.get("/api/v1/tenants?limit=1", &ops).await;
    let tenant = &page.body["tenants"][0];
    assert_eq!(
        (&tenant["namespace"], &tenant["buckets"]),
        (&json!("ada"), &json!(1))
    );
    assert_eq!(tenant["limits"], json!({"buckets": 2, "keys": null}));
    assert_eq!(
        (&tenant["bytes"], &tenant["objects"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(page.text("next"), "ada");
    let rest = api.get("/api/v1/tenants?after=ada", &ops).await;
    assert_eq!(rest.body["tenants"][0]["namespace"], "ops");
    assert_eq!(rest.body["next"], Value::Null);
}

#[tokio::test]
async fn events_are_found_by_who_what_and_when() {
    let api = Api::new();
    let (ada, ops) = (api.user("ada").await, api.operator("ops").await);
    for name in ["first", "second"] {
        api.post("/buckets", &ada, json!({"name": name})).await;
    }
    let found = async |query: &str| {
        let path = format!("/api/v1/audit?action=createBucket&{query}");
        let answer = api.get(&path, &ops).await;
        let events = answer.body["events"].as_array().unwrap().iter();
        let about = events.map(|event| event["resource"].as_str().unwrap().to_owned());
        about.collect::<Vec<_>>().join(" ")
    };
    let by = async |user: &str, path: &str| {
        let answer = api.get(path, user).await;
        answer.body["events"][0]["email"].clone()
    };
    let of_ada = "/api/v1/audit?namespace=ada&action=createBucket";
    assert_eq!(by(&ops, of_ada).await, "ada@example.com");
    assert_eq!(by(&ada, of_ada).await, Value::Null);
    assert_eq!(found("email=ada@example.com").await, "second first");
    assert_eq!(found("email=ops@example.com").await, "");
    assert_eq!(found("email=nobody@example.com").await, "");
    assert_eq!(found("about=fir").await, "first");
    assert_eq!(found("since=2026-01-01T00:00:00Z").await, "second first");
    assert_eq!(found("until=2026-01-01T00:00:00Z").await, "");
    let wrong = api.get("/api/v1/audit?since=yesterday", &ops).await;
    wrong.refuses(400, "InvalidFields").names(&["since"]);
}

#[tokio::test]
async fn usage_is_told_to_members_and_operators() {
    let api = Api::new();
    let (ada, eve) = (api.user("ada").await, api.user("eve").await);
    let ops = api.operator("ops").await;
    api.post("/buckets", &ada, json!({"name": "first"})).await;
    let path = "/api/v1/buckets/first/usage";
    let usage = api.get(path, &ada).await;
    let points = usage.body["points"].as_array().unwrap();
    let last = points.last().unwrap();
    assert_eq!((&last["bytes"], &last["objects"]), (&json!(0), &json!(0)));
    assert!(usage.text("since") < last["time"].as_str().unwrap());
    api.get(path, &eve).await.refuses(404, "NoSuchBucket");
    api.get(path, &ops).await.refuses(404, "NoSuchBucket");
    let wrong = api.get(&format!("{path}?period=week"), &ada).await;
    wrong.refuses(400, "InvalidFields").names(&["period"]);

    let path = "/api/v1/namespaces/ada/usage?period=years";
    assert_eq!(api.get(path, &ada).await.status, StatusCode::OK);
    assert_eq!(api.get(path, &ops).await.status, StatusCode::OK);
    api.get(path, &eve).await.refuses(404, "NoSuchNamespace");
}

#[tokio::test]
async fn users_are_listed_by_address_a_page_at_a_time() {
    let api = Api::new();
    let ops = api.operator("ops").await;
    for name in ["eve", "ada", "ava"] {
        api.user(name).await;
    }
    let ada = api.login("ada").await;
    let refused = api.get("/api/v1/users", &ada).await;
    refused.refuses(403, "NotAnOperator");
    let listed = async |query: &str| {
        let answer = api.get(&format!("/api/v1/users?{query}"), &ops).await;
        let users = answer.body["users"].as_array().unwrap().iter();
        let names = users.map(|user| user["email"].as_str().unwrap().split('@').next().unwrap());
        let names = names.collect::<Vec<_>>().join(" ");
        (names, answer.body["next"].clone())
    };
    assert_eq!(listed("").await, ("ada ava eve ops".into(), Value::Null));
    let page = ("ada ava eve".into(), json!("eve@example.com"));
    assert_eq!(listed("limit=3").await, page);
    let rest = listed("limit=3&after=eve@example.com").await;
    assert_eq!(rest, ("ops".into(), Value::Null));
    assert_eq!(listed("start=A").await, ("ada ava".into(), Value::Null));
    let behind = listed("start=a&after=ada@example.com").await;
    assert_eq!(behind, ("ava".into(), Value::Null));
    assert_eq!(listed("start=x").await, (String::new(), Value::Null));
    for query in ["limit=0", "limit=201"] {
        let wrong = api.get(&format!("/api/v1/users?{query}"), &ops).await;
        wrong.refuses(400, "InvalidFields").names(&["limit"]);
    }
}
