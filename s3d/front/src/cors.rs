//! Cross-origin resource sharing: which pages of other origins may ask, by a bucket's rules.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use s3d_buckets::CorsRule;

const VARIES: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
);

/// Why a preflight is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// It names no origin.
    #[error("insufficient information: the Origin request header is needed")]
    NoOrigin,
    /// It names no method, or one that S3 does not know.
    #[error("the Access-Control-Request-Method request header must name a method of S3")]
    Method,
    /// The bucket has no rules.
    #[error("CORSResponse: CORS is not enabled for this bucket")]
    NotEnabled,
    /// No rule allows it.
    #[error(
        "CORSResponse: this CORS request is not allowed: no rule of the bucket has this Origin, \
         Access-Control-Request-Method and Access-Control-Request-Headers"
    )]
    NotAllowed,
}

/// What the page of another origin asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossOrigin {
    origin: String,
    method: String,
    /// In lower case; those of a preflight.
    headers: Vec<String>,
}

impl CrossOrigin {
    /// What a preflight asks for.
    pub fn of_preflight(headers: &HeaderMap) -> Result<Self, CorsError> {
        let origin = text(headers, &ORIGIN).ok_or(CorsError::NoOrigin)?;
        let method = text(headers, &ACCESS_CONTROL_REQUEST_METHOD).ok_or(CorsError::Method)?;
        if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method) {
            return Err(CorsError::Method);
        }
        let names = text(headers, &ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let names = names
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase());
        Ok(Self {
            origin: origin.to_owned(),
            method: method.to_owned(),
            headers: names.filter(|name| !name.is_empty()).collect(),
        })
    }

    /// What a request of another origin is, if it is one.
    pub fn of_request(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let origin = text(headers, &ORIGIN)?;
        let asked = text(headers, &ACCESS_CONTROL_REQUEST_METHOD);
        Some(Self {
            origin: origin.to_owned(),
            method: asked.unwrap_or(method.as_str()).to_owned(),
            headers: Vec::new(),
        })
    }

    /// The headers that allow it, by a bucket's rules. What they do not allow a presigned URL may do all the
    /// same: who has one could do it without a browser, and it speaks for nobody who happens to look at the page.
    pub fn allowed(&self, rules: &[CorsRule], presigned: bool) -> Option<HeaderMap> {
        let any = || self.allowed_by_rule(&any_page());
        self.allowed_by(rules)
            .or_else(|| presigned.then(any).flatten())
    }

    /// The headers that allow it, by the first rule that does.
    fn allowed_by(&self, rules: &[CorsRule]) -> Option<HeaderMap> {
        rules.iter().find_map(|rule| self.allowed_by_rule(rule))
    }

    fn allowed_by_rule(&self, rule: &CorsRule) -> Option<HeaderMap> {
        let mut origins = rule.allowed_origins.iter();
        let origin = origins.find(|pattern| matches(pattern, &self.origin))?;
        if !rule.allowed_methods.contains(&self.method) {
            return None;
        }
        let allowed = |name: &String| {
            let mut patterns = rule.allowed_headers.iter();
            patterns.any(|pattern| matches(&pattern.to_ascii_lowercase(), name))
        };
        if !self.headers.iter().all(allowed) {
            return None;
        }
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value)
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        };
        if origin == "*" {
            put(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            put(ACCESS_CONTROL_ALLOW_ORIGIN, &self.origin);
            put(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        put(
            ACCESS_CONTROL_ALLOW_METHODS,
            &rule.allowed_methods.join(", "),
        );
        put(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.join(", "));
        put(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            &rule.expose_headers.join(", "),
        );
        if let Some(seconds) = rule.max_age_seconds {
            put(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        headers.insert(VARY, VARIES);
        Some(headers)
    }
}

/// Lets every page do everything, and see what a transfer needs.
fn any_page() -> CorsRule {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    CorsRule {
        allowed_origins: all(&["*"]),
        allowed_methods: all(&["GET", "HEAD", "PUT", "POST", "DELETE"]),
        allowed_headers: all(&["*"]),
        expose_headers: all(&["ETag", "x-amz-request-id"]),
        max_age_seconds: Some(600),
        ..CorsRule::default()
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a text fits a pattern, in which one `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            let rest = text.strip_prefix(start);
            rest.is_some_and(|rest| rest.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origin: &str, method: &str) -> CorsRule {
        CorsRule {
            allowed_origins: vec![origin.into()],
            allowed_methods: vec![method.into()],
            ..CorsRule::default()
        }
    }

    fn preflight(pairs: &[(HeaderName, &str)]) -> Result<CrossOrigin, CorsError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name, value.parse().expect("a value"));
        }
        CrossOrigin::of_preflight(&headers)
    }

    fn asked(origin: &str, method: &str, headers: &str) -> CrossOrigin {
        let pairs = [
            (ORIGIN, origin),
            (ACCESS_CONTROL_REQUEST_METHOD, method),
            (ACCESS_CONTROL_REQUEST_HEADERS, headers),
        ];
        preflight(&pairs).expect("a preflight")
    }

    #[test]
    fn origins_match_with_one_star() {
        for (pattern, origin, fits) in [
            ("*suffix", "foo.suffix", true),
            ("*suffix", "foo.suffix.get", false),
            ("start*end", "startend", true),
            ("start*end", "start12end", true),
            ("start*end", "0start12end", false),
            ("start*tend", "startend", false),
            ("prefix*", "prefix.x", true),
            ("http://a", "http://A", false),
            ("*", "anything", true),
        ] {
            let rules = [rule(pattern, "GET")];
            let allowed = asked(origin, "GET", "").allowed_by(&rules);
            assert_eq!(allowed.is_some(), fits, "{pattern} {origin}");
        }
    }

    #[test]
    fn the_origin_is_named_unless_all_may() {
        let of = |pattern| {
            let allowed = asked("http://a", "GET", "").allowed_by(&[rule(pattern, "GET")]);
            allowed.expect("allowed")
        };
        let all = of("*");
        assert_eq!(all[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!all.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        let one = of("http://*");
        assert_eq!(one[ACCESS_CONTROL_ALLOW_ORIGIN], "http://a");
        assert_eq!(one[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(one[ACCESS_CONTROL_ALLOW_METHODS], "GET");
        assert_eq!(one[VARY], VARIES);
    }

    #[test]
    fn headers_are_allowed_in_any_case() {
        let mut rule = rule("*", "PUT");
        let of = |rule: &CorsRule, headers| {
            asked("o", "PUT", headers).allowed_by(std::slice::from_ref(rule))
        };
        assert!(of(&rule, "content-type").is_none());
        rule.allowed_headers = vec!["X-Amz-*".into(), "content-type".into()];
        rule.expose_headers = vec!["ETag".into(), "x-amz-id-2".into()];
        rule.max_age_seconds = Some(3000);
        let allowed = of(&rule, "Content-Type, x-amz-date").expect("allowed");
        assert_eq!(
            allowed[ACCESS_CONTROL_ALLOW_HEADERS],
            "content-type, x-amz-date"
        );
        assert_eq!(allowed[ACCESS_CONTROL_EXPOSE_HEADERS], "ETag, x-amz-id-2");
        assert_eq!(allowed[ACCESS_CONTROL_MAX_AGE], "3000");
        assert!(of(&rule, "content-type, authorization").is_none());
    }

    #[test]
    fn the_first_rule_that_allows_counts() {
        let rules = [rule("http://a", "GET"), rule("*", "GET"), rule("*", "PUT")];
        let origin = |origin, method| {
            let allowed = asked(origin, method, "").allowed_by(&rules)?;
            Some(allowed[ACCESS_CONTROL_ALLOW_ORIGIN].clone())
        };
        assert_eq!(
            origin("http://a", "GET"),
            Some("http://a".parse().expect("a value"))
        );
        assert_eq!(
            origin("http://b", "GET"),
            Some("*".parse().expect("a value"))
        );
        assert_eq!(origin("http://b", "DELETE"), None);
    }

    #[test]
    fn a_preflight_names_origin_and_method() {
        assert_eq!(preflight(&[]), Err(CorsError::NoOrigin));
        let origin = (ORIGIN, "o");
        assert_eq!(
            preflight(std::slice::from_ref(&origin)),
            Err(CorsError::Method)
        );
        let method = (ACCESS_CONTROL_REQUEST_METHOD, "PATCH");
        assert_eq!(preflight(&[origin, method]), Err(CorsError::Method));
    }

    #[test]
    fn a_request_counts_as_the_method_it_names() {
        let mut headers = HeaderMap::new();
        assert_eq!(CrossOrigin::of_request(&Method::GET, &headers), None);
        headers.insert(ORIGIN, HeaderValue::from_static("o"));
        let plain = CrossOrigin::of_request(&Method::GET, &headers).expect("an origin");
        assert!(plain.allowed_by(&[rule("o", "GET")]).is_some());
        let method = HeaderValue::from_static("PUT");
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, method);
        let named = CrossOrigin::of_request(&Method::GET, &headers).expect("an origin");
        assert!(named.allowed_by(&[rule("o", "GET")]).is_none());
    }
}
