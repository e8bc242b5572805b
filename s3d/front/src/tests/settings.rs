//! What is set on buckets, and what AWS answers when nothing was.

use s3d_names::NamespaceName;

use super::rack::{Answer, Ask, Rack};

fn id_of(namespace: &str) -> String {
    NamespaceName::new(namespace).unwrap().canonical_id()
}

async fn set(rack: &Rack, target: &str, document: &str) -> Answer {
    rack.ask(Ask::new("PUT", target).body(document)).await
}

#[tokio::test]
async fn what_was_never_set_answers_as_on_aws() {
    let rack = Rack::new().await;
    for (sub_resource, code) in [
        ("policy", "NoSuchBucketPolicy"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        (
            "encryption",
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        ("website", "NoSuchWebsiteConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("tagging", "NoSuchTagSet"),
        ("cors", "NoSuchCORSConfiguration"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ] {
        let target = format!("/bucket?{sub_resource}");
        rack.get(&target).await.refuses(404, code);
        let foreign = rack.send(Ask::new("GET", &target).signed(&rack.foreign));
        foreign.await.refuses(403, "AccessDenied");
    }
    for sub_resource in [
        "accelerate",
        "analytics",
        "intelligent-tiering",
        "inventory",
        "logging",
        "metrics",
        "notification",
        "requestPayment",
        "versioning",
    ] {
        rack.get(&format!("/bucket?{sub_resource}"))
            .await
            .succeeds();
    }
    let status = rack.get("/bucket?versioning").await;
    assert_eq!(status.element("Status"), None);
    let payer = rack.get("/bucket?requestPayment").await.element("Payer");
    assert_eq!(payer.as_deref(), Some("BucketOwner"));
    for sub_resource in [
        "cors",
        "encryption",
        "lifecycle",
        "ownershipControls",
        "policy",
        "publicAccessBlock",
        "replication",
        "tagging",
        "website",
    ] {
        let target = format!("/bucket?{sub_resource}");
        let deleted = rack.ask(Ask::new("DELETE", &target)).await;
        assert_eq!(deleted.status, 204, "{sub_resource}");
    }
    rack.get("/bucket").await.succeeds();
}

#[tokio::test]
async fn what_cannot_change_may_be_set_to_what_it_is() {
    let rack = Rack::new().await;
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    set(&rack, "/bucket?versioning", suspended).await.succeeds();
    let enabled = suspended.replace("Suspended", "Enabled");
    let refused = set(&rack, "/bucket?versioning", &enabled).await;
    refused.refuses(501, "NotImplemented");
    let payer = |who| {
        format!("<RequestPaymentConfiguration><Payer>{who}</Payer></RequestPaymentConfiguration>")
    };
    let owner = set(&rack, "/bucket?requestPayment", &payer("BucketOwner")).await;
    owner.succeeds();
    let requester = set(&rack, "/bucket?requestPayment", &payer("Requester")).await;
    requester.refuses(501, "NotImplemented");
    set(&rack, "/bucket?logging", "<BucketLoggingStatus/>")
        .await
        .succeeds();
    set(
        &rack,
        "/bucket?notification",
        "<NotificationConfiguration/>",
    )
    .await
    .succeeds();
}

#[tokio::test]
async fn objects_are_not_locked_in_a_bucket_without_versions() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                </ObjectLockConfiguration>";
    set(&rack, "/bucket?object-lock", lock)
        .await
        .refuses(409, "InvalidBucketState");
    let retention = "<Retention><Mode>GOVERNANCE</Mode>\
                     <RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    for (target, document) in [
        ("/bucket/k?retention", retention),
        ("/bucket/k?legal-hold", hold),
    ] {
        set(&rack, target, document)
            .await
            .refuses(400, "InvalidRequest");
        let put = Ask::new("PUT", target).body(document);
        rack.send(put.signed(&rack.foreign))
            .await
            .refuses(403, "AccessDenied");
    }
    assert_eq!(rack.get("/bucket/k").await.text(), "x");
}

#[tokio::test]
async fn tags_of_a_bucket_come_back() {
    let rack = Rack::new().await;
    let document = |tags: &str| format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
    let tag = "<Tag><Key>colour</Key><Value>green</Value></Tag>";
    set(&rack, "/bucket?tagging", &document(tag))
        .await
        .succeeds();
    let tags = rack.get("/bucket?tagging").await.succeeds();
    assert_eq!(tags.element("Key").as_deref(), Some("colour"));
    let twice = document(&tag.repeat(2));
    set(&rack, "/bucket?tagging", &twice)
        .await
        .refuses(400, "InvalidTag");
    rack.ask(Ask::new("DELETE", "/bucket?tagging"))
        .await
        .succeeds();
    rack.get("/bucket?tagging")
        .await
        .refuses(404, "NoSuchTagSet");
}

#[tokio::test]
async fn cors_rules_come_back() {
    let rack = Rack::new().await;
    let document = "<CORSConfiguration><CORSRule><ID>a</ID>\
                    <AllowedOrigin>https://*.example.org</AllowedOrigin>\
                    <AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader>\
                    <ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>\
                    </CORSRule></CORSConfiguration>";
    set(&rack, "/bucket?cors", document).await.succeeds();
    let rules = rack.get("/bucket?cors").await.succeeds();
    for (name, value) in [
        ("ID", "a"),
        ("AllowedOrigin", "https://*.example.org"),
        ("AllowedMethod", "GET"),
        ("AllowedHeader", "x-*"),
        ("ExposeHeader", "etag"),
        ("MaxAgeSeconds", "60"),
    ] {
        assert_eq!(rules.element(name).as_deref(), Some(value));
    }
    let patch = document.replace("GET", "PATCH");
    set(&rack, "/bucket?cors", &patch)
        .await
        .refuses(400, "InvalidRequest");
}

#[tokio::test]
async fn grants_to_another_tenant_hold_and_name_it() {
    let rack = Rack::new().await;
    let grant = format!("id={}", id_of("theirs"));
    let ask = Ask::new("PUT", "/bucket?acl").header("x-amz-grant-write", grant.as_str());
    rack.ask(ask).await.succeeds();
    let theirs =
        |method, target| rack.send(Ask::new(method, target).body("x").signed(&rack.foreign));
    theirs("PUT", "/bucket/k").await.succeeds();
    theirs("GET", "/bucket").await.refuses(403, "AccessDenied");
    theirs("GET", "/bucket?acl")
        .await
        .refuses(403, "AccessDenied");
    let acl = rack.get("/bucket?acl").await.succeeds();
    let shown = acl.text();
    assert!(shown.contains(&id_of("theirs")) && shown.contains("<DisplayName>theirs<"));
    let owner = format!(
        "<Owner><DisplayName>ours</DisplayName><ID>{}</ID>",
        id_of("ours")
    );
    assert!(shown.contains(&owner), "{shown}");
    // What was shown can be set again, and an owner or a grantee that nobody is cannot.
    set(&rack, "/bucket?acl", &shown).await.succeeds();
    let other = shown.replace(&id_of("ours"), &id_of("others"));
    set(&rack, "/bucket?acl", &other)
        .await
        .refuses(403, "AccessDenied");
    let unknown = shown.replace(&id_of("theirs"), &id_of("nobody"));
    set(&rack, "/bucket?acl", &unknown)
        .await
        .refuses(400, "InvalidArgument");
}

#[tokio::test]
async fn ownership_controls_disable_acls() {
    let rack = Rack::new().await;
    let acl = |acl| rack.ask(Ask::new("PUT", "/bucket?acl").header("x-amz-acl", acl));
    let own = async |ownership: &str| {
        let document = format!(
            "<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule>\
             </OwnershipControls>"
        );
        set(&rack, "/bucket?ownershipControls", &document).await
    };
    acl("public-read").await.succeeds();
    own("BucketOwnerEnforced")
        .await
        .refuses(400, "InvalidBucketAclWithObjectOwnership");
    acl("private").await.succeeds();
    own("BucketOwnerEnforced").await.succeeds();
    acl("private")
        .await
        .refuses(400, "AccessControlListNotSupported");
    let shown = rack.get("/bucket?ownershipControls").await.succeeds();
    let ownership = shown.element("ObjectOwnership");
    assert_eq!(ownership.as_deref(), Some("BucketOwnerEnforced"));
    own("ObjectWriter").await.succeeds();
    acl("public-read").await.succeeds();
}

#[tokio::test]
async fn the_public_access_block_refuses_and_ignores_public_acls() {
    let rack = Rack::new().await;
    let block = async |switch: &str| {
        let document = format!(
            "<PublicAccessBlockConfiguration><{switch}>true</{switch}>\
             </PublicAccessBlockConfiguration>"
        );
        set(&rack, "/bucket?publicAccessBlock", &document).await
    };
    let acl = |acl| rack.ask(Ask::new("PUT", "/bucket?acl").header("x-amz-acl", acl));
    let is_public = async || {
        let status = rack.get("/bucket?policyStatus").await.succeeds();
        status.element("IsPublic")
    };
    acl("public-read").await.succeeds();
    assert_eq!(is_public().await.as_deref(), Some("true"));
    let anyone = || rack.send(Ask::new("GET", "/bucket").plain());
    anyone().await.succeeds();
    block("IgnorePublicAcls").await.succeeds();
    anyone().await.refuses(403, "AccessDenied");
    assert_eq!(is_public().await.as_deref(), Some("false"));
    block("BlockPublicAcls").await.succeeds();
    anyone().await.succeeds();
    acl("public-read").await.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn a_bucket_is_made_with_what_its_headers_say() {
    let rack = Rack::new().await;
    let make = async |name: &str, headers: &[(&'static str, &'static str)]| {
        let target = format!("/{name}");
        let ask = Ask::new("PUT", &target);
        let ask = headers
            .iter()
            .fold(ask, |ask, (name, value)| ask.header(name, *value));
        rack.ask(ask).await
    };
    let ownership = "x-amz-object-ownership";
    let lock = "x-amz-bucket-object-lock-enabled";
    make("plain", &[(lock, "false")]).await.succeeds();
    make("locked", &[(lock, "true")])
        .await
        .refuses(501, "NotImplemented");
    make(
        "preferred",
        &[
            (ownership, "BucketOwnerPreferred"),
            ("x-amz-acl", "public-read"),
        ],
    )
    .await
    .succeeds();
    let shown = rack.get("/preferred?ownershipControls").await.succeeds();
    assert_eq!(
        shown.element("ObjectOwnership").as_deref(),
        Some("BucketOwnerPreferred")
    );
    rack.send(Ask::new("GET", "/preferred").plain())
        .await
        .succeeds();
    make(
        "enforced",
        &[
            (ownership, "BucketOwnerEnforced"),
            ("x-amz-acl", "public-read"),
        ],
    )
    .await
    .refuses(400, "InvalidBucketAclWithObjectOwnership");
    // In the oldest region a bucket of one's own is made again without complaint.
    make("plain", &[]).await.succeeds();
    make("foreign", &[])
        .await
        .refuses(409, "BucketAlreadyExists");
    let elsewhere = "<CreateBucketConfiguration><LocationConstraint>eu-west-1\
                     </LocationConstraint></CreateBucketConfiguration>";
    set(&rack, "/elsewhere", elsewhere)
        .await
        .refuses(400, "IllegalLocationConstraintException");
}

#[tokio::test]
async fn the_versions_of_an_unversioned_bucket_are_null() {
    let rack = Rack::new().await;
    for key in ["a", "b/1", "b/2", "c"] {
        rack.put(&format!("/bucket/{key}"), b"x").await.succeeds();
    }
    let page = rack.get("/bucket?versions&max-keys=2").await.succeeds();
    assert_eq!(
        page.text().matches("<VersionId>null</VersionId>").count(),
        2
    );
    assert_eq!(page.element("NextVersionIdMarker").as_deref(), Some("null"));
    let next = page.element("NextKeyMarker").unwrap();
    let target = format!("/bucket?versions&key-marker={next}&version-id-marker=null");
    let rest = rack.get(&target).await.succeeds();
    assert!(rest.text().contains("<Key>b/2</Key>") && rest.text().contains("<Key>c</Key>"));
    let rolled = rack.get("/bucket?versions&delimiter=/").await.succeeds();
    assert_eq!(rolled.text().matches("<Version>").count(), 2);
    assert_eq!(
        rolled.element("CommonPrefixes").as_deref(),
        Some("<Prefix>b/</Prefix>")
    );
    rack.get("/bucket?versions&version-id-marker=x")
        .await
        .refuses(400, "InvalidArgument");

    rack.get("/bucket/a?versionId=null").await.succeeds();
    rack.get("/bucket/a?versionId=x")
        .await
        .refuses(400, "InvalidArgument");
    let id = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH";
    rack.get(&format!("/bucket/a?versionId={id}"))
        .await
        .refuses(404, "NoSuchVersion");
    let delete = async |target: String| rack.ask(Ask::new("DELETE", &target)).await;
    delete(format!("/bucket/a?versionId={id}")).await.succeeds();
    rack.get("/bucket/a").await.succeeds();
    delete("/bucket/a?versionId=null".into()).await.succeeds();
    rack.get("/bucket/a").await.refuses(404, "NoSuchKey");
    let document = "<Delete><Object><Key>c</Key><VersionId>null</VersionId></Object></Delete>";
    let deleted = rack
        .ask(Ask::new("POST", "/bucket?delete").body(document))
        .await;
    assert_eq!(
        deleted.succeeds().element("VersionId").as_deref(),
        Some("null")
    );
    rack.get("/bucket/c").await.refuses(404, "NoSuchKey");
}

#[tokio::test]
async fn attributes_are_given_as_far_as_they_are_asked_for() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k")
        .header("x-amz-checksum-algorithm", "CRC32")
        .header("x-amz-checksum-crc32", "NhCmhg==")
        .body("hello");
    rack.ask(put).await.succeeds();
    let name = "x-amz-object-attributes";
    let ask = |wanted| rack.ask(Ask::new("GET", "/bucket/k?attributes").header(name, wanted));
    let all = ask("ETag,Checksum,ObjectParts,StorageClass,ObjectSize")
        .await
        .succeeds();
    for (element, value) in [
        ("ETag", "5d41402abc4b2a76b9719d911017c592"),
        ("ChecksumCRC32", "NhCmhg=="),
        ("ChecksumType", "FULL_OBJECT"),
        ("StorageClass", "STANDARD"),
        ("ObjectSize", "5"),
    ] {
        assert_eq!(all.element(element).as_deref(), Some(value));
    }
    assert!(all.headers.contains_key("last-modified"));
    let size = ask("ObjectSize").await.succeeds();
    assert_eq!(size.element("ETag"), None);
    ask("Colour").await.refuses(400, "InvalidArgument");
    let stranger = Ask::new("GET", "/bucket/k?attributes").header(name, "ETag");
    rack.send(stranger.plain())
        .await
        .refuses(403, "AccessDenied");
}
