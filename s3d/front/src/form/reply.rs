//! How the sender of a form wants to be answered.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::fields::Fields;
use crate::details::escape;

/// The answer to a form, once its object is stored.
#[derive(Debug)]
pub struct Reply {
    kind: Kind,
    /// Scheme and host that the form was sent to.
    origin: String,
    bucket: String,
    key: String,
}

#[derive(Debug)]
enum Kind {
    /// No document.
    Empty(StatusCode),
    /// 201, and a document that says where the object is.
    Created,
    /// 303 to a page of the sender's.
    Redirect(Uri),
}

impl Reply {
    /// Reads what the fields ask for; what they ask for in vain is passed over, as in S3.
    /// `tls`: whether the form came over TLS.
    pub fn new(
        fields: &Fields,
        tls: bool,
        host: Option<&HeaderValue>,
        bucket: String,
        key: String,
    ) -> Self {
        let page = fields
            .get("success_action_redirect")
            .or_else(|| fields.get("redirect"))
            .and_then(|page| page.parse::<Uri>().ok())
            .filter(|page| page.scheme().is_some());
        let kind = match (page, fields.get("success_action_status")) {
            (Some(page), _) => Kind::Redirect(page),
            (None, Some("200")) => Kind::Empty(StatusCode::OK),
            (None, Some("201")) => Kind::Created,
            (None, _) => Kind::Empty(StatusCode::NO_CONTENT),
        };
        let scheme = if tls { "https" } else { "http" };
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        Self {
            kind,
            origin: format!("{scheme}://{host}"),
            bucket,
            key,
        }
    }

    /// Makes the answer to the form out of that to its PutObject.
    pub fn of(&self, mut stored: Response<s3s::Body>) -> Response<s3s::Body> {
        if stored.status() != StatusCode::OK {
            return stored;
        }
        let etag = stored
            .headers()
            .get(ETAG)
            .and_then(|etag| etag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        let location = format!("{}/{}/{}", self.origin, self.bucket, encode(&self.key));
        let headers = stored.headers_mut();
        headers.remove(CONTENT_LENGTH);
        let (status, location) = match &self.kind {
            Kind::Empty(status) => (*status, location),
            Kind::Created => {
                let kind = HeaderValue::from_static("application/xml");
                headers.insert(CONTENT_TYPE, kind);
                *stored.body_mut() = self.document(&location, &etag).into();
                (StatusCode::CREATED, location)
            }
            Kind::Redirect(page) => (StatusCode::SEE_OTHER, self.page(page, &etag)),
        };
        if let Ok(location) = HeaderValue::try_from(location) {
            stored.headers_mut().insert(LOCATION, location);
        }
        *stored.status_mut() = status;
        stored
    }

    fn document(&self, location: &str, etag: &str) -> String {
        let [location, bucket, key, etag] = [location, &self.bucket, &self.key, etag].map(escape);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{location}\
             </Location><Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{etag}</ETag></PostResponse>"
        )
    }

    fn page(&self, page: &Uri, etag: &str) -> String {
        let joint = if page.query().is_some() { '&' } else { '?' };
        let [bucket, key, etag] = [&self.bucket, &self.key, etag].map(encode);
        format!("{page}{joint}bucket={bucket}&key={key}&etag={etag}")
    }
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(pairs: &[(&str, &str)]) -> Response<s3s::Body> {
        reply_over(false, pairs)
    }

    fn reply_over(tls: bool, pairs: &[(&str, &str)]) -> Response<s3s::Body> {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.add(name, (*value).to_owned());
        }
        let host = HeaderValue::from_static("h");
        let reply = Reply::new(&fields, tls, Some(&host), "b".into(), "a b<".into());
        let mut stored = Response::new(s3s::Body::empty());
        let etag = HeaderValue::from_static("\"e\"");
        stored.headers_mut().insert(ETAG, etag);
        reply.of(stored)
    }

    #[test]
    fn the_status_is_the_one_that_was_asked_for() {
        for (asked, status) in [("200", 200), ("201", 201), ("204", 204), ("404", 204)] {
            let answer = reply(&[("success_action_status", asked)]);
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()[LOCATION], "http://h/b/a%20b%3C");
        }
        assert_eq!(reply(&[]).status(), 204);
        let answer = reply_over(true, &[]);
        assert_eq!(answer.headers()[LOCATION], "https://h/b/a%20b%3C");
    }

    #[test]
    fn a_document_says_where_the_object_is() {
        let mut answer = reply(&[("success_action_status", "201")]);
        let document = answer.body_mut().take_bytes().expect("a document");
        let document = String::from_utf8_lossy(&document);
        assert!(
            document.contains("<Key>a b&lt;</Key><ETag>\"e\"</ETag>"),
            "{document}"
        );
    }

    #[test]
    fn a_page_learns_what_was_stored() {
        let answer = reply(&[("success_action_redirect", "http://page/x?y=z")]);
        assert_eq!(answer.status(), 303);
        let page = "http://page/x?y=z&bucket=b&key=a%20b%3C&etag=%22e%22";
        assert_eq!(answer.headers()[LOCATION], page);
        assert_eq!(reply(&[("success_action_redirect", "/x")]).status(), 204);
    }

    #[test]
    fn a_refusal_stays_one() {
        let reply = Reply::new(&Fields::default(), false, None, "b".into(), "k".into());
        let mut refused = Response::new(s3s::Body::empty());
        *refused.status_mut() = StatusCode::FORBIDDEN;
        assert_eq!(reply.of(refused).status(), 403);
    }
}
