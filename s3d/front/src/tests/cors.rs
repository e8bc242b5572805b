//! Pages of other origins.

use std::time::Duration;

use super::rack::{Answer, Ask, Rack};

const RULES: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>http://*.page</AllowedOrigin>\
     <AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
     <AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
     <MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";

async fn preflight(rack: &Rack, headers: &[(&'static str, &str)]) -> Answer {
    let mut options = Ask::new("OPTIONS", "/bucket/k");
    for (name, value) in headers {
        options = options.header(name, *value);
    }
    rack.send(options.plain()).await
}

#[tokio::test]
async fn a_page_may_do_what_the_bucket_lets_it() {
    let rack = Rack::new().await;
    let origin = ("origin", "http://my.page");
    let method = |method| ("access-control-request-method", method);
    let refused = preflight(&rack, &[origin, method("GET")]).await;
    refused.refuses(403, "AccessForbidden");
    rack.ask(Ask::new("PUT", "/bucket?cors").body(RULES))
        .await
        .succeeds();
    preflight(&rack, &[]).await.refuses(400, "BadRequest");
    preflight(&rack, &[origin]).await.refuses(400, "BadRequest");
    let refused = preflight(&rack, &[origin, method("DELETE")]).await;
    refused.refuses(403, "AccessForbidden");
    // What the rule lets a plain request do, it does not let this one do.
    let named = ("access-control-request-headers", "content-type");
    let refused = preflight(&rack, &[origin, method("GET"), named]).await;
    let refused = refused.refuses(403, "AccessForbidden");
    let mut names = refused.headers.keys().map(http::HeaderName::as_str);
    let told = names.find(|name| name.starts_with("access-control-"));
    assert_eq!(told, None);
    let named = ("access-control-request-headers", "X-Amz-Date, x-amz-acl");
    let allowed = preflight(&rack, &[origin, method("PUT"), named])
        .await
        .succeeds();
    for (name, value) in [
        ("access-control-allow-origin", "http://my.page"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "x-amz-date, x-amz-acl"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(allowed.headers[name], value);
    }
}

#[tokio::test]
async fn a_presigned_url_serves_any_page() {
    let rack = Rack::new().await;
    let put = Ask::new("PUT", "/bucket/k").presigned(&rack.key, Duration::from_mins(1));
    let target = put.uri().to_string();
    let headers = [
        ("origin", "http://any.page"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type"),
    ];
    let mut options = Ask::new("OPTIONS", target.as_str());
    for (name, value) in headers {
        options = options.header(name, value);
    }
    let allowed = rack.send(options.plain()).await.succeeds();
    assert_eq!(allowed.headers["access-control-allow-origin"], "*");
    assert_eq!(
        allowed.headers["access-control-allow-headers"],
        "content-type"
    );
    assert!(
        !allowed
            .headers
            .contains_key("access-control-allow-credentials")
    );
    // A bucket's own rules come first.
    rack.ask(Ask::new("PUT", "/bucket?cors").body(RULES))
        .await
        .succeeds();
    let mut options = Ask::new("OPTIONS", target.as_str());
    for (name, value) in headers.map(|(name, value)| (name, value.replace("any", "my"))) {
        if name != "access-control-request-headers" {
            options = options.header(name, value);
        }
    }
    let allowed = rack.send(options.plain()).await.succeeds();
    assert_eq!(
        allowed.headers["access-control-allow-origin"],
        "http://my.page"
    );
}

#[tokio::test]
async fn answers_say_which_page_may_see_them() {
    let rack = Rack::new().await;
    rack.ask(Ask::new("PUT", "/bucket?cors").body(RULES))
        .await
        .succeeds();
    rack.put("/bucket/k", b"x").await.succeeds();
    let get = |target, origin: &str| rack.ask(Ask::new("GET", target).header("origin", origin));
    let allow = "access-control-allow-origin";
    let seen = get("/bucket/k", "http://my.page").await.succeeds();
    assert_eq!(seen.headers[allow], "http://my.page");
    assert!(seen.headers.contains_key("vary"));
    // A page also sees why it was refused.
    let refused = get("/bucket/l", "http://my.page").await;
    let refused = refused.refuses(404, "NoSuchKey");
    assert_eq!(refused.headers[allow], "http://my.page");
    let other = get("/bucket/k", "http://other").await.succeeds();
    assert!(!other.headers.contains_key(allow));
    let none = rack.get("/bucket/k").await.succeeds();
    assert!(!none.headers.contains_key(allow));
}
