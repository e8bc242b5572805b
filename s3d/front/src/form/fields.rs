//! The fields of a form.

use std::borrow::Cow;

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The text fields of a form; their names in lower case.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

/// The fields that a header of the same name stands for, beside those of `x-amz-`.
const HEADERS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// The fields of `x-amz-` that are about the signature.
const OF_A_SIGNATURE: [&str; 4] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
];

impl Fields {
    /// Adds a field.
    pub fn add(&mut self, name: &str, value: String) {
        self.0.push((name.to_ascii_lowercase(), value));
    }

    /// The value of the first field of this name, which is in lower case.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        let found = fields.find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Puts the file's name, without its folders, in the place of `${filename}` in the key.
    pub fn fill_in(&mut self, file_name: &str) {
        let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        for (name, value) in &mut self.0 {
            if name == "key" {
                *value = value.replace("${filename}", base);
            }
        }
    }

    /// The headers of the PutObject that the form stands for.
    pub fn headers(&self) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let amz = name.starts_with("x-amz-") && !OF_A_SIGNATURE.contains(&&**name);
            let name: Cow<'_, str> = match name.as_str() {
                "acl" => "x-amz-acl".into(),
                name if amz || HEADERS.contains(&name) => name.into(),
                _ => continue,
            };
            // A name that cannot be a header's asks for nothing that S3 has.
            if let Ok(name) = HeaderName::try_from(&*name) {
                headers.append(name, HeaderValue::from_bytes(value.as_bytes())?);
            }
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_headers() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("Key", "a"),
            ("Content-Type", "text/plain"),
            ("ACL", "public-read"),
            ("x-amz-meta-a", "é"),
            ("X-Amz-Date", "x"),
            ("x-ignore-a", "x"),
            ("x-amz-meta-\n", "x"),
        ] {
            fields.add(name, value.to_owned());
        }
        let headers = fields.headers().expect("headers");
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["x-amz-acl"], "public-read");
        assert_eq!(headers["x-amz-meta-a"].as_bytes(), "é".as_bytes());
        assert_eq!(headers.len(), 3);
        fields.add("content-type", "\n".to_owned());
        assert!(fields.headers().is_err());
    }

    #[test]
    fn the_name_of_the_file_is_filled_in() {
        let mut fields = Fields::default();
        fields.add("key", "up/${filename}".to_owned());
        fields.fill_in("C:\\folder\\a.txt");
        assert_eq!(fields.get("key"), Some("up/a.txt"));
    }
}
