//! Objects that tenants share: ACLs of objects, and objects that another tenant wrote.

use s3d_names::NamespaceName;

use super::rack::{Ask, Rack};

fn id_of(namespace: &str) -> String {
    NamespaceName::new(namespace).unwrap().canonical_id()
}

async fn make_writable(rack: &Rack) {
    let acl = Ask::new("PUT", "/bucket?acl").header("x-amz-acl", "public-read-write");
    rack.ask(acl).await.succeeds();
}

#[tokio::test]
async fn an_objects_acl_can_be_set_anew() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let acl = |acl| rack.ask(Ask::new("PUT", "/bucket/k?acl").header("x-amz-acl", acl));
    let anyone = || rack.send(Ask::new("GET", "/bucket/k").plain());
    anyone().await.refuses(403, "AccessDenied");
    acl("public-read").await.succeeds();
    anyone().await.succeeds();
    acl("authenticated-read").await.succeeds();
    anyone().await.refuses(403, "AccessDenied");
    let theirs = |target| rack.send(Ask::new("GET", target).signed(&rack.foreign));
    theirs("/bucket/k").await.succeeds();
    theirs("/bucket/k?acl").await.refuses(403, "AccessDenied");
    acl("private").await.succeeds();
    theirs("/bucket/k").await.refuses(403, "AccessDenied");
    let grant = format!("id={}", id_of("theirs"));
    let put = Ask::new("PUT", "/bucket/k?acl").header("x-amz-grant-full-control", grant);
    rack.ask(put).await.succeeds();
    theirs("/bucket/k").await.succeeds();
    let shown = theirs("/bucket/k?acl").await.succeeds().text();
    assert!(shown.contains(&id_of("theirs")), "{shown}");
    let document = shown.replace("FULL_CONTROL", "READ_ACP");
    let put = Ask::new("PUT", "/bucket/k?acl").body(document);
    rack.send(put.signed(&rack.foreign)).await.succeeds();
    theirs("/bucket/k").await.refuses(403, "AccessDenied");
    rack.get("/bucket/k").await.succeeds();
    rack.get("/bucket/never?acl")
        .await
        .refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn a_grant_may_name_an_email_address() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let grant = |address: &str| {
        let grantee = format!("emailAddress=\"{address}\"");
        rack.ask(Ask::new("PUT", "/bucket/k?acl").header("x-amz-grant-read", grantee))
    };
    for nobody in ["nobody@example.org", "no address"] {
        grant(nobody)
            .await
            .refuses(400, "UnresolvableGrantByEmailAddress");
    }
    grant("theirs@example.org").await.succeeds();
    let theirs = rack.send(Ask::new("GET", "/bucket/k").signed(&rack.foreign));
    theirs.await.succeeds();
    let shown = rack.get("/bucket/k?acl").await.succeeds().text();
    assert!(shown.contains(&id_of("theirs")), "{shown}");
    assert!(!shown.contains("theirs@"), "{shown}");
}

#[tokio::test]
async fn what_another_tenant_writes_is_theirs() {
    let rack = Rack::new().await;
    make_writable(&rack).await;
    let theirs = |method, target| {
        rack.send(
            Ask::new(method, target)
                .body("theirs")
                .signed(&rack.foreign),
        )
    };
    theirs("PUT", "/bucket/k").await.succeeds();
    rack.get("/bucket/k").await.refuses(403, "AccessDenied");
    theirs("GET", "/bucket/k").await.succeeds();
    let listed = rack.get("/bucket").await.succeeds();
    assert_eq!(listed.element("DisplayName").as_deref(), Some("theirs"));
    let given = Ask::new("PUT", "/bucket/k")
        .header("x-amz-acl", "bucket-owner-full-control")
        .body("theirs");
    rack.send(given.signed(&rack.foreign)).await.succeeds();
    rack.get("/bucket/k").await.succeeds();
    let owner = rack.get("/bucket/k?acl").await.succeeds();
    assert!(
        owner
            .text()
            .contains(&format!("<ID>{}</ID></Owner>", id_of("theirs")))
    );
    // The bucket's owner may always delete.
    theirs("PUT", "/bucket/k").await.succeeds();
    rack.ask(Ask::new("DELETE", "/bucket/k")).await.succeeds();
}

#[tokio::test]
async fn what_nobody_signed_belongs_to_the_buckets_owner() {
    let rack = Rack::new().await;
    make_writable(&rack).await;
    let put = Ask::new("PUT", "/bucket/k").body("x");
    rack.send(put.plain()).await.succeeds();
    rack.get("/bucket/k").await.succeeds();
    rack.send(Ask::new("GET", "/bucket/k").plain())
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn enforced_ownership_takes_acls_away() {
    let rack = Rack::new().await;
    let public = Ask::new("PUT", "/bucket/k").header("x-amz-acl", "public-read");
    rack.ask(public.clone().body("x")).await.succeeds();
    let document = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced\
                    </ObjectOwnership></Rule></OwnershipControls>";
    rack.ask(Ask::new("PUT", "/bucket?ownershipControls").body(document))
        .await
        .succeeds();
    rack.send(Ask::new("GET", "/bucket/k").plain())
        .await
        .refuses(403, "AccessDenied");
    let code = "AccessControlListNotSupported";
    rack.ask(public.body("x")).await.refuses(400, code);
    let acl = Ask::new("PUT", "/bucket/k?acl").header("x-amz-acl", "private");
    rack.ask(acl).await.refuses(400, code);
    let given = Ask::new("PUT", "/bucket/k").header("x-amz-acl", "bucket-owner-full-control");
    rack.ask(given.body("x")).await.succeeds();
    let upload = Ask::new("POST", "/bucket/k?uploads").header("x-amz-acl", "public-read");
    rack.ask(upload).await.refuses(400, code);
}
