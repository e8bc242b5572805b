//! Links by mail, as the log has them, and what they do.

use s3d_accounts::Accounts;

use super::*;

const FORGOT: &str = "/api/v1/auth/forgot";
const RESET: &str = "/api/v1/auth/reset";

async fn reset_code(accounts: &Accounts, name: &str) -> String {
    let email = Email::new(format!("{name}@example.com")).unwrap();
    let code = accounts.make_reset_code(&email).await.unwrap();
    code.unwrap()
}

#[tokio::test]
async fn who_has_no_account_is_answered_as_who_has_one() {
    let api = Api::new();
    api.user("ada").await;
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        let body = json!({"email": format!("{name}@example.com"), "language": "de"});
        let answer = api.post(FORGOT, "", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        answers.push(answer.body);
    }
    assert_eq!(answers[0], json!({"delivery": "log"}));
    assert_eq!(answers[0], answers[1]);
    let wrong = json!({"email": "x", "language": "eo"});
    let refused = api.post(FORGOT, "", wrong).await;
    refused
        .refuses(400, "InvalidFields")
        .names(&["email", "language"]);
}

#[tokio::test]
async fn letters_are_limited_by_account_and_by_address_whoever_has_one() {
    let api = Api::new();
    let ask = |name: String| {
        let body = json!({"email": format!("{name}@example.com")});
        api.post(FORGOT, "", body)
    };
    for _ in 0..3 {
        assert_eq!(ask("eve".into()).await.status, StatusCode::ACCEPTED);
    }
    ask("eve".into()).await.refuses(429, "TooManyAttempts");
    let mut taken = 3;
    while ask(format!("user{taken}")).await.status == StatusCode::ACCEPTED {
        taken += 1;
    }
    // The one of eve that was refused counts for the address, too.
    assert_eq!(taken, 19);
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_all_sessions() {
    let api = Api::new();
    let session = api.user("ada").await;
    let replaced = reset_code(&api.accounts, "ada").await;
    let code = reset_code(&api.accounts, "ada").await;
    let reset = |code: &str, password: &str| {
        let body = json!({"code": code, "password": password});
        let api = &api;
        async move { api.post(RESET, "", body).await }
    };
    for wrong in [replaced.as_str(), "", "x", &code[..40]] {
        let refused = reset(wrong, "battery staple").await;
        refused.refuses(403, "LinkUnknown");
    }
    // A password that is refused does not use the link up.
    let refused = reset(&code, "short").await;
    refused.refuses(400, "InvalidFields").names(&["password"]);
    let (first, second) = tokio::join!(
        reset(&code, "battery staple"),
        reset(&code, "battery stable")
    );
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::NO_CONTENT, StatusCode::FORBIDDEN]);
    let over = api.get("/api/v1/user", &session).await;
    over.refuses(401, "TokenExpired");
    let old = json!({"email": "ada@example.com", "password": "correct horse"});
    let refused = api.post("/api/v1/auth/login", "", old).await;
    refused.refuses(401, "WrongCredentials");
}

#[tokio::test]
async fn an_address_is_verified_by_its_link_and_by_no_other() {
    let api = Api::new();
    let ada = api.user("ada").await;
    let path = "/api/v1/auth/verify-email";
    let user = async || api.get("/api/v1/user", &ada).await.body;
    assert_eq!(user().await["verified"], false);
    let asked = api.post("/api/v1/user/verification", &ada, json!({})).await;
    assert_eq!(
        (asked.status, asked.text("delivery")),
        (StatusCode::ACCEPTED, "log")
    );
    let of_reset = json!({"code": reset_code(&api.accounts, "ada").await});
    let refused = api.post(path, "", of_reset).await;
    refused.refuses(403, "LinkUnknown");

    let id = s3d_accounts::UserId::parse(user().await["id"].as_str().unwrap()).unwrap();
    let code = api.accounts.make_verify_code(&id).await.unwrap();
    let verified = api.post(path, "", json!({"code": code})).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{}", verified.body);
    assert_eq!(user().await["verified"], true);
    let again = api.post(path, "", json!({"code": code})).await;
    again.refuses(403, "LinkUnknown");
}

#[tokio::test]
async fn where_addresses_must_be_verified_nothing_is_made_before() {
    let settings = AccountSettings {
        verify_email: true,
        ..AccountSettings::default()
    };
    let api = Api::with(settings);
    let ada = api.user("ada").await;
    for (path, body) in [
        ("/buckets", json!({"name": "first"})),
        ("/api/v1/keys", json!({"namespace": "ada"})),
        ("/api/v1/namespaces", json!({"name": "another"})),
    ] {
        let refused = api.post(path, &ada, body).await;
        refused.refuses(403, "EmailUnverified");
    }
    let user = api.get("/api/v1/user", &ada).await;
    let id = s3d_accounts::UserId::parse(user.text("id")).unwrap();
    let code = api.accounts.make_verify_code(&id).await.unwrap();
    api.accounts.verify_email(&code).await.unwrap();
    let made = api.post("/buckets", &ada, json!({"name": "first"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
}
