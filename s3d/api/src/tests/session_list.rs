//! Sessions listed, and ended by their users and by operators.

use axum::http::header::SET_COOKIE;

use super::*;

const SESSIONS: &str = "/api/v1/user/sessions";

async fn sessions(api: &Api, path: &str, token: &str) -> Vec<Value> {
    let answer = api.get(path, token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["sessions"].as_array().unwrap().clone()
}

fn id_of(sessions: &[Value], current: bool) -> String {
    let session = sessions.iter().find(|it| it["current"] == current);
    session.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_sees_and_ends_the_own_sessions() {
    let api = Api::new();
    let here = api.user("ada").await;
    let there = api.login("ada").await;
    let eve = api.user("eve").await;
    let listed = sessions(&api, SESSIONS, &here).await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["address"], "127.0.0.1");
    for id in [&id_of(&listed, false), "garbage"] {
        let path = format!("{SESSIONS}/{id}");
        api.delete(&path, &eve).await.refuses(404, "NoSuchSession");
    }
    let path = format!("{SESSIONS}/{}", id_of(&listed, false));
    let ended = api.delete(&path, &here).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let over = api.get("/api/v1/user", &there).await;
    over.refuses(401, "TokenExpired");

    let others = [api.login("ada").await, api.login("ada").await];
    let ended = api.delete(SESSIONS, &here).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    for token in &others {
        let over = api.get("/api/v1/user", token).await;
        over.refuses(401, "TokenExpired");
    }
    let left = sessions(&api, SESSIONS, &here).await;
    assert_eq!((left.len(), &left[0]["current"]), (1, &json!(true)));
}

#[tokio::test]
async fn an_operator_ends_the_sessions_of_a_user() {
    let api = Api::new();
    let operator = api.operator("op").await;
    let ada = api.user("ada").await;
    let user = api.get("/api/v1/user", &ada).await;
    let path = format!("/api/v1/users/{}/sessions", user.text("id"));
    api.get(&path, &ada).await.refuses(403, "NotAnOperator");
    api.delete(&path, &ada).await.refuses(403, "NotAnOperator");
    for nobody in ["garbage", "00000000000000000000000000000000"] {
        let path = format!("/api/v1/users/{nobody}/sessions");
        api.get(&path, &operator).await.refuses(404, "NoSuchUser");
        api.delete(&path, &operator)
            .await
            .refuses(404, "NoSuchUser");
    }
    assert_eq!(sessions(&api, &path, &operator).await.len(), 1);
    let ended = api.delete(&path, &operator).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(sessions(&api, &path, &operator).await.len(), 0);
    let over = api.get("/api/v1/user", &ada).await;
    over.refuses(401, "TokenExpired");
}

#[tokio::test]
async fn a_page_changes_the_password_and_stays_signed_in() {
    let api = Api::new();
    let elsewhere = api.user("ada").await;
    let origin = ("origin", "http://rack.example");
    let login = json!({"email": "ada@example.com", "password": "correct horse"});
    let opened = api
        .browse("POST", "/api/v1/session", &[origin], login)
        .await;
    let cookie_of = |answer: &Answer| {
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    let old = cookie_of(&opened);
    let change = |current: &str| {
        let body = json!({"currentPassword": current, "newPassword": "battery staple"});
        let headers = [("cookie", old.as_str()), origin];
        let api = &api;
        async move {
            api.browse("POST", "/api/v1/session/password", &headers, body)
                .await
        }
    };
    change("wrong").await.refuses(401, "WrongCredentials");
    let changed = change("correct horse").await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.body);
    let new = cookie_of(&changed);
    let user = api
        .browse("GET", "/api/v1/user", &[("cookie", &new)], Value::Null)
        .await;
    assert_eq!(user.text("email"), "ada@example.com");
    for (cookie, token) in [(old.as_str(), ""), ("", elsewhere.as_str())] {
        let bearer = format!("Bearer {token}");
        let header = if token.is_empty() {
            ("cookie", cookie)
        } else {
            ("authorization", bearer.as_str())
        };
        let over = api
            .browse("GET", "/api/v1/user", &[header], Value::Null)
            .await;
        over.refuses(401, "TokenExpired");
    }

    let headers = [("cookie", new.as_str()), origin];
    api.browse("DELETE", "/api/v1/session", &headers, Value::Null)
        .await;
    let over = api
        .browse("GET", "/api/v1/user", &[("cookie", &new)], Value::Null)
        .await;
    over.refuses(401, "TokenExpired");
}
