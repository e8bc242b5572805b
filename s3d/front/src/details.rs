//! Elements that an error document has beside its code and message.
//!
//! s3s writes none of them. They travel past it in a header of the answer, from which the front
//! takes them again.

use std::fmt::Display;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::S3Error;

const DETAILS: HeaderName = HeaderName::from_static("hayrack-error-details");

/// An error whose document has these elements too, by name and content.
pub fn with_details(mut error: S3Error, details: &[(&str, &dyn Display)]) -> S3Error {
    let mut elements = String::new();
    for (name, content) in details {
        let content = escape(&content.to_string());
        elements.extend(["<", name, ">", &content, "</", name, ">"]);
    }
    if let Ok(elements) = HeaderValue::try_from(elements) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(DETAILS, elements);
        error.set_headers(headers);
    }
    error
}

/// Takes the elements out of the headers of an answer.
pub fn take(headers: &mut HeaderMap) -> String {
    let elements = headers.remove(DETAILS);
    let elements = elements.as_ref().and_then(|it| it.to_str().ok());
    elements.unwrap_or_default().to_owned()
}

/// A text as the content of an element, of visible ASCII alone.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            ' '..='~' => escaped.push(letter),
            // XML 1.0 has no other control characters.
            '\t' | '\n' | '\r' | '\u{7f}'.. => {
                let number = u32::from(letter).to_string();
                escaped.extend(["&#", &number, ";"]);
            }
            _ => escaped.push('?'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;

    #[test]
    fn details_come_back_escaped() {
        let error = S3Error::new(S3ErrorCode::InvalidRange);
        let error = with_details(error, &[("A", &"<1>\n&é\u{1}"), ("B", &2)]);
        let mut headers = error.headers().expect("headers").clone();
        assert_eq!(
            take(&mut headers),
            "<A>&lt;1&gt;&#10;&amp;&#233;?</A><B>2</B>"
        );
        assert_eq!(take(&mut headers), "");
    }
}
