//! Whether a request whose answer was lost may be sent again by this server.

use http::Method;
use http::request::Parts;

use crate::label::Service;

/// Headers with which doing it twice is not as good as doing it once: the second time meets what the first
/// one did.
const CONDITIONS: [&str; 4] = [
    "if-match",
    "if-none-match",
    "x-amz-write-offset-bytes",
    "x-amz-rename-source",
];

/// Whether doing it twice is as good as doing it once.
pub fn is_repeatable(service: Service, parts: &Parts) -> bool {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let writes = service == Service::S3 && matches!(parts.method, Method::PUT | Method::DELETE);
    let has = |name: &&str| parts.headers.contains_key(*name);
    let renames = parts
        .uri
        .query()
        .is_some_and(|query| query.contains("rename"));
    reads || (writes && !renames && !CONDITIONS.iter().any(has))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(service: Service, request: http::request::Builder) -> bool {
        is_repeatable(service, &request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn what_meets_itself_is_not_repeated() {
        let s3 = |request| of(Service::S3, request);
        assert!(s3(Request::get("/b/k")) && s3(Request::put("/b/k?partNumber=1&uploadId=x")));
        assert!(s3(Request::delete("/b/k")));
        assert!(!s3(Request::post("/b/k?uploads")));
        assert!(!s3(Request::patch("/b/k")));
        assert!(!s3(Request::put("/b/k").header("if-none-match", "*")));
        assert!(!s3(
            Request::put("/b/k").header("x-amz-write-offset-bytes", "5")
        ));
        assert!(!s3(Request::put("/b/k?renameObject")));
        assert!(!of(Service::Api, Request::delete("/buckets/b")));
        assert!(of(Service::Api, Request::get("/buckets/b")));
    }
}
