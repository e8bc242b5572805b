//! The REST API: every route of its description.

use std::collections::BTreeSet;

use hayrack_e2e::api::Api;
use hayrack_e2e::rack::{Rack, Site};
use serde_json::{Value, json};

use crate::stranger::OtherTenant;

/// What another tenant gets from a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Open to everyone.
    Public,
    /// Answers each user about what is theirs.
    Own,
    /// Only for those of the namespace.
    Members,
    /// Only for the routers in front of the rack.
    Router,
}

use Rule::{Members, Own, Public, Router};

/// Every route. Paths are about the rack's first bucket and its namespace's key.
const ROUTES: &[(&str, &str, Rule)] = &[
    ("post", "/api/v1/auth/sign-up", Public),
    ("post", "/api/v1/auth/login", Public),
    ("post", "/api/v1/session", Public),
    ("post", "/api/v1/session/code", Public),
    ("delete", "/api/v1/session", Public),
    ("post", "/api/v1/session/password", Own),
    ("post", "/api/v1/auth/forgot", Public),
    ("post", "/api/v1/auth/reset", Public),
    ("post", "/api/v1/auth/verify-email", Public),
    ("get", "/api/v1/user", Own),
    ("get", "/api/v1/namespaces", Own),
    ("post", "/api/v1/namespaces", Members),
    ("get", "/api/v1/buckets", Own),
    ("post", "/api/v1/buckets", Members),
    ("get", "/api/v1/buckets/{name}", Members),
    ("patch", "/api/v1/buckets/{name}", Members),
    ("delete", "/api/v1/buckets/{name}", Members),
    ("get", "/buckets", Own),
    ("post", "/buckets", Members),
    ("get", "/buckets/{name}", Members),
    ("delete", "/buckets/{name}", Members),
    ("get", "/api/v1/keys", Own),
    ("post", "/api/v1/keys", Members),
    ("delete", "/api/v1/keys/{id}", Members),
    ("post", "/api/v1/keys/{id}/rotate", Members),
    ("get", "/api/v1/buckets/{name}/changes", Members),
    ("post", "/api/v1/buckets/{name}/rename-prefix", Members),
    ("post", "/api/v1/buckets/{name}/presigned-urls", Members),
    ("post", "/api/v1/buckets/{name}/archive", Members),
    ("get", "/api/v1/buckets/{name}/usage", Members),
    ("get", "/api/v1/namespaces/{namespace}/usage", Members),
    ("get", "/api/v1/bucket-events", Own),
    ("get", "/api/v1/bucket-names/{name}", Own),
    ("get", "/api/v1/namespaces/{namespace}/limits", Members),
    ("put", "/api/v1/namespaces/{namespace}/limits", Members),
    ("get", "/api/v1/namespaces/{namespace}/members", Members),
    (
        "patch",
        "/api/v1/namespaces/{namespace}/members/{user}",
        Members,
    ),
    (
        "delete",
        "/api/v1/namespaces/{namespace}/members/{user}",
        Members,
    ),
    ("get", "/api/v1/namespaces/{namespace}/invitations", Members),
    (
        "post",
        "/api/v1/namespaces/{namespace}/invitations",
        Members,
    ),
    (
        "delete",
        "/api/v1/namespaces/{namespace}/invitations/{id}",
        Members,
    ),
    ("post", "/api/v1/user/password", Own),
    ("post", "/api/v1/user/invitations", Own),
    ("post", "/api/v1/user/verification", Own),
    ("get", "/api/v1/user/sessions", Own),
    ("delete", "/api/v1/user/sessions", Own),
    ("delete", "/api/v1/user/sessions/{id}", Members),
    ("get", "/api/v1/users/{user}/sessions", Members),
    ("delete", "/api/v1/users/{user}/sessions", Members),
    ("get", "/api/v1/users", Members),
    ("post", "/api/v1/users", Members),
    ("get", "/api/v1/invitations", Members),
    ("post", "/api/v1/invitations", Members),
    ("delete", "/api/v1/invitations/{id}", Members),
    ("get", "/api/v1/audit", Members),
    ("get", "/api/v1/certificate-names", Router),
    ("get", "/api/v1/rack", Members),
    ("get", "/api/v1/rack/usage", Members),
    ("get", "/api/v1/tenants", Members),
    ("get", "/api/v1/volumes", Members),
    ("post", "/api/v1/join-tokens", Members),
    ("delete", "/api/v1/nodes/{node}", Members),
    ("post", "/api/v1/nodes/{node}/drain", Members),
    ("delete", "/api/v1/nodes/{node}/drain", Members),
    ("get", "/api/v1/nodes/{node}/disks", Members),
    ("delete", "/api/v1/nodes/{node}/disks/{disk}", Members),
    ("post", "/api/v1/nodes/{node}/disks/{disk}/drain", Members),
    ("delete", "/api/v1/nodes/{node}/disks/{disk}/drain", Members),
    ("post", "/api/v1/nodes/{node}/disks/{disk}/retry", Members),
    ("get", "/healthz", Public),
    ("get", "/openapi.json", Public),
];

/// Routes that stand for others, and the description itself.
const UNDESCRIBED: &[&str] = &["/buckets", "/buckets/{name}", "/openapi.json"];

/// It goes on for a minute; what it says is what `/api/v1/buckets` answers.
const STREAMS: &[&str] = &["/api/v1/bucket-events"];

/// What the owner has, and the same of nobody.
struct Names {
    bucket: String,
    namespace: String,
    key: String,
}

#[test]
fn every_route_of_the_rest_api_is_covered() {
    let site = Site::new();
    let rack = site.start();
    let (_, description) = Api::new(site.api).send("GET", "/openapi.json", None);
    let paths = description["paths"].as_object().expect("paths");
    let described: BTreeSet<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods
                .keys()
                .map(move |method| (method.as_str(), path.as_str()))
        })
        .collect();
    let covered: BTreeSet<(&str, &str)> = ROUTES
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .filter(|(_, path)| !UNDESCRIBED.contains(path))
        .collect();
    assert_eq!(covered, described);
    assert!(rack.stop().success());
}

#[test]
fn strangers_get_nothing_from_the_rest_api() {
    let site = Site::new();
    let rack = site.start();
    let owner = rack.api();
    let names = names(&rack, &owner);
    let absent = Names {
        bucket: "absent-bucket".into(),
        namespace: "absent".into(),
        key: "AKABSENT".into(),
    };
    let other = OtherTenant::sign_up(&rack);
    let before = state(&owner);
    for (method, path, rule) in ROUTES {
        let call = |api: &Api, names: &Names| call(api, method, path, names);
        let what = format!("{method} {path}");
        for token in [
            None,
            Some("nonsense"),
            Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."),
        ] {
            let nobody = Api {
                address: site.api,
                token: token.map(str::to_owned),
            };
            let (status, answer) = call(&nobody, &names);
            let unknown = match rule {
                Public => path.ends_with("login"),
                Router => false,
                Own | Members => true,
            };
            assert_eq!(status == 401, unknown, "{what} as {token:?}: {status}");
            assert_silent(&what, &names, &answer);
        }
        if STREAMS.contains(path) {
            continue;
        }
        let (status, answer) = call(&other.api, &names);
        assert_silent(&what, &names, &answer);
        if *rule == Router {
            assert_eq!(status, 403, "{what}: {answer}");
        }
        if *rule == Members {
            // A namespace's name is everyone's to take, and says that it is taken.
            if *path == "/api/v1/namespaces" {
                assert_eq!(status, 409, "{what}: {answer}");
                continue;
            }
            assert!([403, 404].contains(&status), "{what}: {status} {answer}");
            let (same, _) = call(&other.api, &absent);
            assert_eq!(status, same, "{what} says whether it exists");
        }
    }
    for path in ["/buckets", "/api/v1/buckets", "/api/v1/keys"] {
        let list = |names: &Names| {
            other.api.send(
                "GET",
                &format!("{path}?namespace={}", names.namespace),
                None,
            )
        };
        assert_eq!(
            list(&names),
            list(&absent),
            "{path} says whether the namespace exists"
        );
        assert_silent(path, &names, &list(&names).1);
    }
    assert_eq!(state(&owner), before, "a stranger changed something");
    assert!(rack.stop().success());
}

fn names(rack: &Rack<'_>, owner: &Api) -> Names {
    let namespace = rack.var("HAYRACK_NAMESPACE");
    let (status, key) = owner.send(
        "POST",
        "/api/v1/keys",
        Some(json!({ "namespace": namespace })),
    );
    assert!((200..300).contains(&status), "{key}");
    Names {
        bucket: rack.var("HAYRACK_BUCKET"),
        namespace,
        key: key["accessKeyID"].as_str().expect("a key has an id").into(),
    }
}

fn call(api: &Api, method: &str, path: &str, names: &Names) -> (u16, Value) {
    let body = match path.rsplit('/').next() {
        Some("buckets") => json!({ "name": "wanted-bucket", "namespace": names.namespace }),
        Some("rotate") => json!({}),
        Some("presigned-urls") => json!({ "requests": [{ "method": "GET", "key": "k" }] }),
        Some("rename-prefix") => json!({ "from": "a/", "to": "b/" }),
        Some("limits") => json!({ "buckets": 1 }),
        Some("{name}") => json!({ "quotaBytes": 1 }),
        Some("{user}") => json!({ "role": "viewer" }),
        Some("invitations") => json!({ "email": "eve@example.com", "role": "viewer" }),
        Some("keys") => json!({ "namespace": names.namespace }),
        Some("namespaces") => json!({ "name": names.namespace }),
        Some("login") => json!({ "email": "you@example.com", "password": "not the password" }),
        _ => {
            json!({ "email": "you@example.com", "password": "not the password", "namespace": names.namespace })
        }
    };
    let path = path
        .replace("{name}", &names.bucket)
        .replace("{namespace}", &names.namespace)
        .replace("{user}", &"0".repeat(32))
        .replace("{id}", &names.key)
        .replace("{node}", "here")
        .replace("{disk}", "0");
    if path.ends_with("/archive") {
        return api.send_form("POST", &path, "prefix=a%2F");
    }
    let body = ["post", "put", "patch"].contains(&method).then_some(body);
    api.send(&method.to_uppercase(), &path, body)
}

/// An answer to a stranger names nothing of the owner's, beyond what was asked for.
fn assert_silent(what: &str, names: &Names, answer: &Value) {
    let text = answer.to_string();
    for secret in ["you@example.com", names.key.as_str()] {
        let asked = what.contains("{id}") && secret == names.key;
        assert!(
            asked || !text.contains(secret),
            "{what} gives away {secret}: {text}"
        );
    }
    let listed = text.contains(&format!("\"{}\"", names.bucket));
    assert!(!listed, "{what} gives away a bucket: {text}");
}

fn state(owner: &Api) -> Vec<Value> {
    [
        "/api/v1/user",
        "/api/v1/namespaces",
        "/api/v1/buckets",
        "/api/v1/keys",
    ]
    .map(|path| owner.send("GET", path, None).1)
    .into()
}
