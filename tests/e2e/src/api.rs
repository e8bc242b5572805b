//! The REST API.

use std::net::SocketAddr;

use serde_json::Value;

use crate::http::{Request, exchange};

/// A signed-in user, or nobody yet.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bearer token.
    pub token: Option<String>,
}

impl Api {
    /// Nobody yet.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            token: None,
        }
    }

    /// Signs in.
    #[must_use]
    pub fn sign_in(mut self, email: &str, password: &str) -> Self {
        let body = serde_json::json!({ "email": email, "password": password });
        let (status, answer) = self.send("POST", "/api/v1/auth/login", Some(body));
        assert_eq!(status, 200, "signing in failed: {answer}");
        self.token = answer["accessToken"].as_str().map(str::to_owned);
        assert!(self.token.is_some(), "signing in gave no token: {answer}");
        self
    }

    /// Signs up, and in.
    #[must_use]
    pub fn sign_up(self, email: &str, password: &str, namespace: &str) -> Self {
        let body = serde_json::json!({
            "email": email, "password": password, "namespace": namespace,
        });
        let (status, answer) = self.send("POST", "/api/v1/auth/sign-up", Some(body));
        assert!(
            (200..300).contains(&status),
            "signing up failed: {status} {answer}"
        );
        self.sign_in(email, password)
    }

    /// Sends a request; the answer's body is null if it is not JSON.
    pub fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string());
        self.send_as("application/json", method, path, body)
    }

    /// The same with a form.
    pub fn send_form(&self, method: &str, path: &str, form: &str) -> (u16, Value) {
        let media_type = "application/x-www-form-urlencoded";
        self.send_as(media_type, method, path, Some(form.into()))
    }

    fn send_as(
        &self,
        media_type: &str,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> (u16, Value) {
        let mut request = Request::new(method, path)
            .header("host", self.address.to_string())
            .header("content-type", media_type);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = exchange(self.address, &request)
            .unwrap_or_else(|error| panic!("{method} {path} got no answer: {error:#}"));
        (
            answer.status,
            serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        )
    }
}
