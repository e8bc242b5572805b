use super::*;

const PATH: &str = "/api/v1/certificate-names";

async fn names(api: &Api, from: IpAddr) -> (StatusCode, String) {
    let request = Request::get(PATH).body(Body::empty()).unwrap();
    let answer = api.exchange(request, from).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_router_gets_a_name_for_each_namespace() {
    let api = Api::new();
    assert_eq!(names(&api, ROUTER).await, (StatusCode::OK, String::new()));
    let token = api.user("ann").await;
    for name in ["home", "attic"] {
        let made = api
            .post("/api/v1/namespaces", &token, json!({ "name": name }))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    }
    let (status, text) = names(&api, ROUTER).await;
    assert_eq!(status, StatusCode::OK);
    for line in ["*.home.s3.example.com", "*.attic.s3.example.com"] {
        assert!(text.lines().any(|own| own == line), "{text}");
    }
    // A socket for both families shows an address of IPv4 as one of IPv6.
    let mapped = Ipv4Addr::new(10, 77, 0, 1).to_ipv6_mapped();
    assert_eq!(names(&api, mapped.into()).await.1, text);
}

#[tokio::test]
async fn nobody_else_gets_them_whoever_has_signed_in() {
    let api = Api::new();
    let token = api.operator("ops").await;
    for token in ["", &token] {
        api.get(PATH, token).await.refuses(403, "NotARouter");
    }
}
