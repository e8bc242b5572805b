//! Bucket policies, and how they go together with ownership and ACLs.

use s3d_names::NamespaceName;

use super::rack::{Answer, Ask, Rack};

/// A policy of one statement about all that is in `bucket`; `rest` may add to it.
fn statement(effect: &str, action: &str, rest: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":"*",
        "Action":"{action}","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]{rest}}}]}}"#
    )
}

async fn set(rack: &Rack, policy: &str) -> Answer {
    rack.ask(Ask::new("PUT", "/bucket?policy").body(policy))
        .await
}

async fn theirs(rack: &Rack, method: &str, target: &str) -> Answer {
    let ask = Ask::new(method, target).body(if method == "PUT" { "x" } else { "" });
    rack.send(ask.signed(&rack.foreign)).await
}

async fn anyone(rack: &Rack, method: &str, target: &str) -> Answer {
    rack.send(Ask::new(method, target).plain()).await
}

#[tokio::test]
async fn a_policy_is_set_shown_and_deleted() {
    let rack = Rack::new().await;
    let policy = statement("Allow", "s3:GetObject", "");
    assert_eq!(set(&rack, &policy).await.status, 204);
    let shown = rack.get("/bucket?policy").await.succeeds();
    assert_eq!(shown.text(), policy);
    let status = rack.get("/bucket?policyStatus").await.succeeds();
    assert_eq!(status.element("IsPublic").as_deref(), Some("true"));
    let deleted = rack.ask(Ask::new("DELETE", "/bucket?policy")).await;
    assert_eq!(deleted.status, 204);
    rack.get("/bucket?policy")
        .await
        .refuses(404, "NoSuchBucketPolicy");
    let status = rack.get("/bucket?policyStatus").await.succeeds();
    assert_eq!(status.element("IsPublic").as_deref(), Some("false"));
}

#[tokio::test]
async fn what_is_no_policy_of_the_bucket_is_refused() {
    let rack = Rack::new().await;
    let good = statement("Allow", "s3:GetObject", "");
    set(&rack, &good).await.succeeds();
    for bad in [
        String::new(),
        "<Policy/>".to_owned(),
        good.replace("s3:GetObject", "s3:GetObjekt"),
        good.replace("bucket/*", "other/*"),
        good.replace("Principal", "NotPrincipal"),
    ] {
        set(&rack, &bad).await.refuses(400, "MalformedPolicy");
    }
    assert_eq!(rack.get("/bucket?policy").await.text(), good);
}

#[tokio::test]
async fn what_a_policy_allows_strangers_may_do() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    anyone(&rack, "GET", "/bucket/k")
        .await
        .refuses(403, "AccessDenied");
    set(&rack, &statement("Allow", "s3:GetObject", ""))
        .await
        .succeeds();
    anyone(&rack, "GET", "/bucket/k").await.succeeds();
    anyone(&rack, "HEAD", "/bucket/k").await.succeeds();
    anyone(&rack, "GET", "/bucket")
        .await
        .refuses(403, "AccessDenied");
    // Who may not list does not learn what is not there.
    anyone(&rack, "GET", "/bucket/l")
        .await
        .refuses(403, "AccessDenied");
    theirs(&rack, "PUT", "/bucket/l")
        .await
        .refuses(403, "AccessDenied");
    theirs(&rack, "GET", "/bucket/k?tagging")
        .await
        .refuses(403, "AccessDenied");
    set(&rack, &statement("Allow", "s3:*", "")).await.succeeds();
    anyone(&rack, "GET", "/bucket").await.succeeds();
    anyone(&rack, "GET", "/bucket/l")
        .await
        .refuses(404, "NoSuchKey");
    theirs(&rack, "GET", "/bucket/k?tagging").await.succeeds();
    theirs(&rack, "GET", "/bucket?cors")
        .await
        .refuses(404, "NoSuchCORSConfiguration");
    theirs(&rack, "PUT", "/bucket/l").await.succeeds();
    theirs(&rack, "DELETE", "/bucket/k").await.succeeds();
    // The policy itself is the owner's alone.
    theirs(&rack, "GET", "/bucket?policy")
        .await
        .refuses(403, "AccessDenied");
    theirs(&rack, "DELETE", "/bucket?policy")
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn what_a_policy_denies_nobody_may_do() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let acl = Ask::new("PUT", "/bucket/k?acl").header("x-amz-acl", "public-read");
    rack.ask(acl).await.succeeds();
    set(&rack, &statement("Deny", "s3:*", "")).await.succeeds();
    for target in [
        "/bucket/k",
        "/bucket",
        "/bucket?cors",
        "/bucket/k?tagging",
        "/bucket/l",
    ] {
        rack.get(target).await.refuses(403, "AccessDenied");
        anyone(&rack, "GET", target)
            .await
            .refuses(403, "AccessDenied");
    }
    rack.put("/bucket/l", b"x")
        .await
        .refuses(403, "AccessDenied");
    let narrow = Ask::new("DELETE", "/bucket?policy").signed(&rack.narrow);
    rack.send(narrow).await.refuses(403, "AccessDenied");
    // Whoever owns the bucket can always take it back.
    rack.get("/bucket?policy").await.succeeds();
    rack.ask(Ask::new("DELETE", "/bucket?policy"))
        .await
        .succeeds();
    rack.get("/bucket/k").await.succeeds();
}

#[tokio::test]
async fn a_namespace_is_let_in_by_its_name() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let policy = statement("Allow", "s3:GetObject", "");
    let named = policy.replace(
        r#""Principal":"*""#,
        r#""Principal":{"AWS":"arn:aws:iam::theirs:root"}"#,
    );
    set(&rack, &named).await.succeeds();
    theirs(&rack, "GET", "/bucket/k").await.succeeds();
    anyone(&rack, "GET", "/bucket/k")
        .await
        .refuses(403, "AccessDenied");
    let status = rack.get("/bucket?policyStatus").await.succeeds();
    assert_eq!(status.element("IsPublic").as_deref(), Some("false"));
    let other = named.replace("theirs", "others");
    set(&rack, &other).await.succeeds();
    theirs(&rack, "GET", "/bucket/k")
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn many_objects_are_deleted_each_by_its_own_right() {
    let rack = Rack::new().await;
    for key in ["/bucket/free", "/bucket/kept"] {
        rack.put(key, b"x").await.succeeds();
    }
    let allowed = statement("Allow", "s3:DeleteObject", "");
    let policy = allowed.replace("bucket/*", "bucket/free");
    set(&rack, &policy).await.succeeds();
    let document =
        "<Delete><Object><Key>free</Key></Object><Object><Key>kept</Key></Object></Delete>";
    let delete = Ask::new("POST", "/bucket?delete").body(document);
    let answer = rack.send(delete.signed(&rack.foreign)).await.succeeds();
    assert!(
        answer.text().contains("<Deleted><Key>free</Key>"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.element("Code").as_deref(), Some("AccessDenied"));
    rack.get("/bucket/kept").await.succeeds();
    rack.get("/bucket/free").await.refuses(404, "NoSuchKey");
    let denied = policy.replace("Allow", "Deny");
    set(&rack, &denied).await.succeeds();
    rack.put("/bucket/free", b"x").await.succeeds();
    let answer = rack.ask(delete).await.succeeds();
    assert_eq!(answer.element("Code").as_deref(), Some("AccessDenied"));
    rack.get("/bucket/free").await.succeeds();
}

#[tokio::test]
async fn tags_decide_where_a_policy_says_so() {
    let rack = Rack::new().await;
    for (key, tags) in [
        ("/bucket/open", "class=public"),
        ("/bucket/shut", "class=secret"),
    ] {
        let put = Ask::new("PUT", key).header("x-amz-tagging", tags).body("x");
        rack.ask(put).await.succeeds();
    }
    let condition = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"public"}}"#;
    set(&rack, &statement("Allow", "s3:*Object*", condition))
        .await
        .succeeds();
    for (target, shut) in [
        ("/bucket/open", "/bucket/shut"),
        ("/bucket/open?tagging", "/bucket/shut?tagging"),
        ("/bucket/open?acl", "/bucket/shut?acl"),
    ] {
        theirs(&rack, "GET", target).await.succeeds();
        theirs(&rack, "GET", shut)
            .await
            .refuses(403, "AccessDenied");
    }
    let document =
        "<Tagging><TagSet><Tag><Key>class</Key><Value>secret</Value></Tag></TagSet></Tagging>";
    let retag = Ask::new("PUT", "/bucket/open?tagging").body(document);
    rack.send(retag.signed(&rack.foreign)).await.succeeds();
    rack.send(retag.signed(&rack.foreign))
        .await
        .refuses(403, "AccessDenied");
    let denied = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"secret"}}"#;
    set(&rack, &statement("Deny", "s3:GetObject", denied))
        .await
        .succeeds();
    rack.get("/bucket/shut").await.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn tags_that_a_request_brings_are_allowed_by_themselves() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k")
        .header("x-amz-tagging", "class=public")
        .body("x");
    set(&rack, &statement("Allow", "s3:PutObject", ""))
        .await
        .succeeds();
    rack.send(put.signed(&rack.foreign))
        .await
        .refuses(403, "AccessDenied");
    let condition = r#","Condition":{"StringEquals":{"s3:RequestObjectTag/class":"public"}}"#;
    set(&rack, &statement("Allow", "s3:PutObject*", condition))
        .await
        .succeeds();
    rack.send(put.signed(&rack.foreign)).await.succeeds();
    let other = Ask::new("PUT", "/bucket/k")
        .header("x-amz-tagging", "class=secret")
        .body("x");
    rack.send(other.signed(&rack.foreign))
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn a_policy_allows_nothing_with_what_others_own() {
    let rack = Rack::new().await;
    set(&rack, &statement("Allow", "s3:*", "")).await.succeeds();
    theirs(&rack, "PUT", "/bucket/k").await.succeeds();
    anyone(&rack, "GET", "/bucket/k")
        .await
        .refuses(403, "AccessDenied");
    rack.get("/bucket/k").await.refuses(403, "AccessDenied");
    theirs(&rack, "GET", "/bucket/k").await.succeeds();
    set(&rack, &statement("Deny", "s3:GetObject", ""))
        .await
        .succeeds();
    theirs(&rack, "GET", "/bucket/k")
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn a_policy_can_require_and_forbid_headers() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k").body("x");
    let owner = NamespaceName::new("ours").unwrap().canonical_id();
    let grant = format!("id={owner}");
    let condition =
        format!(r#","Condition":{{"StringEquals":{{"s3:x-amz-grant-full-control":"{grant}"}}}}"#);
    set(&rack, &statement("Allow", "s3:PutObject", &condition))
        .await
        .succeeds();
    rack.send(put.signed(&rack.foreign))
        .await
        .refuses(403, "AccessDenied");
    let given = put.clone().header("x-amz-grant-full-control", &grant);
    rack.send(given.signed(&rack.foreign)).await.succeeds();
    rack.get("/bucket/k").await.succeeds();
    set(&rack, &statement("Deny", "s3:PutObjectAcl", ""))
        .await
        .succeeds();
    rack.ask(put.clone()).await.succeeds();
    let public = put.header("x-amz-acl", "public-read");
    rack.ask(public).await.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn how_a_request_is_signed_and_comes_can_matter() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let minute = std::time::Duration::from_mins(1);
    let get = Ask::new("GET", "/bucket/k");
    let presigned = r#","Condition":{"StringEquals":{"s3:authType":"REST-QUERY-STRING"}}"#;
    set(&rack, &statement("Deny", "s3:GetObject", presigned))
        .await
        .succeeds();
    rack.get("/bucket/k").await.succeeds();
    rack.send(get.presigned(&rack.key, minute))
        .await
        .refuses(403, "AccessDenied");
    let old = r#","Condition":{"NumericGreaterThan":{"s3:signatureAge":"600000"}}"#;
    set(&rack, &statement("Deny", "s3:GetObject", old))
        .await
        .succeeds();
    let at = |ago| {
        get.clone()
            .time(std::time::SystemTime::now() - ago * minute)
    };
    rack.send(at(5).presigned(&rack.key, 60 * minute))
        .await
        .succeeds();
    rack.send(at(11).presigned(&rack.key, 60 * minute))
        .await
        .refuses(403, "AccessDenied");
    let plain = r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#;
    set(&rack, &statement("Deny", "s3:GetObject", plain))
        .await
        .succeeds();
    rack.get("/bucket/k").await.refuses(403, "AccessDenied");
    let mut request = get.signed(&rack.key);
    request.extensions_mut().insert(crate::TlsVersion("1.3"));
    rack.send(request).await.succeeds();
}

#[tokio::test]
async fn a_copy_reads_its_source_by_the_sources_policy() {
    let rack = Rack::new().await;
    for key in ["/bucket/public/k", "/bucket/private/k"] {
        rack.put(key, b"x").await.succeeds();
    }
    let policy = statement("Allow", "s3:GetObject", "").replace("bucket/*", "bucket/public/*");
    set(&rack, &policy).await.succeeds();
    let copy = |source| {
        let copy = Ask::new("PUT", "/foreign/k").header("x-amz-copy-source", source);
        rack.send(copy.signed(&rack.foreign))
    };
    copy("bucket/public/k").await.succeeds();
    copy("bucket/private/k").await.refuses(403, "AccessDenied");
}

#[tokio::test]
async fn the_public_access_block_has_its_say() {
    let rack = Rack::new().await;
    rack.put("/bucket/k", b"x").await.succeeds();
    let public = statement("Allow", "s3:GetObject", "");
    let block = |switch: &str| {
        let document = format!(
            "<PublicAccessBlockConfiguration><{switch}>true</{switch}>\
             </PublicAccessBlockConfiguration>"
        );
        rack.ask(Ask::new("PUT", "/bucket?publicAccessBlock").body(document))
    };
    block("BlockPublicPolicy").await.succeeds();
    set(&rack, &public).await.refuses(403, "AccessDenied");
    let named = public.replace(r#""Principal":"*""#, r#""Principal":{"AWS":"theirs"}"#);
    set(&rack, &named).await.succeeds();
    theirs(&rack, "GET", "/bucket/k").await.succeeds();
    block("RestrictPublicBuckets").await.succeeds();
    theirs(&rack, "GET", "/bucket/k").await.succeeds();
    set(&rack, &public).await.succeeds();
    for answer in [
        theirs(&rack, "GET", "/bucket/k").await,
        anyone(&rack, "GET", "/bucket/k").await,
    ] {
        answer.refuses(403, "AccessDenied");
    }
    rack.get("/bucket/k").await.succeeds();
}

#[tokio::test]
async fn a_prefix_that_may_be_listed_may_be_missed() {
    let rack = Rack::new().await;
    let condition = r#","Condition":{"StringLike":{"s3:prefix":"public/*"}}"#;
    set(&rack, &statement("Allow", "s3:ListBucket", condition))
        .await
        .succeeds();
    theirs(&rack, "GET", "/bucket?prefix=public/a")
        .await
        .succeeds();
    theirs(&rack, "GET", "/bucket")
        .await
        .refuses(403, "AccessDenied");
    theirs(&rack, "GET", "/bucket/public/k")
        .await
        .refuses(404, "NoSuchKey");
    theirs(&rack, "GET", "/bucket/private/k")
        .await
        .refuses(403, "AccessDenied");
}

#[tokio::test]
async fn uploads_are_made_by_whom_the_policy_lets() {
    let rack = Rack::new().await;
    let begin = || theirs(&rack, "POST", "/bucket/k?uploads");
    begin().await.refuses(403, "AccessDenied");
    let of_bucket =
        statement("Allow", "s3:PutObject", "").replace(r#","arn:aws:s3:::bucket/*""#, "");
    set(&rack, &of_bucket).await.succeeds();
    begin().await.refuses(403, "AccessDenied");
    set(&rack, &statement("Allow", "s3:PutObject", ""))
        .await
        .succeeds();
    let begun = begin().await.succeeds();
    let id = begun.element("UploadId").unwrap();
    let part = format!("/bucket/k?partNumber=1&uploadId={id}");
    theirs(&rack, "PUT", &part).await.succeeds();
    let upload = format!("/bucket/k?uploadId={id}");
    theirs(&rack, "GET", &upload)
        .await
        .refuses(403, "AccessDenied");
    let all = statement("Allow", "s3:*", "");
    set(&rack, &all).await.succeeds();
    theirs(&rack, "GET", &upload).await.succeeds();
    set(&rack, &statement("Deny", "s3:AbortMultipartUpload", ""))
        .await
        .succeeds();
    rack.ask(Ask::new("DELETE", &upload))
        .await
        .refuses(403, "AccessDenied");
    set(&rack, &all).await.succeeds();
    rack.ask(Ask::new("DELETE", &upload)).await.succeeds();
}
