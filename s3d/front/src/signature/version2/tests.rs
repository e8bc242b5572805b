//! Against AWS's documented examples.

use http::Method;

use super::*;

/// Of AWS's documentation, "Signing and authenticating REST requests (Signature Version 2)".
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct Asked<'a> {
    method: Method,
    target: &'a str,
    host_bucket: Option<&'a str>,
    headers: &'a [(&'static str, &'a str)],
}

impl Asked<'_> {
    fn verify(&self, claim: &Version2<'_>) -> Result<(), SignatureError> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            headers.append(*name, value.parse().expect("a value"));
        }
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let request = Received {
            method: &self.method,
            path,
            host_bucket: self.host_bucket,
            query: &Query::parse(Some(query)),
            headers: &headers,
        };
        claim.verify(request, SECRET)
    }

    fn has(&self, signature: &str) -> Result<(), SignatureError> {
        let fields = format!("AKIAIOSFODNN7EXAMPLE:{signature}");
        self.verify(&Version2::in_header(&fields).expect("well-formed"))
    }
}

fn get<'a>(target: &'a str, headers: &'a [(&'static str, &'a str)]) -> Asked<'a> {
    Asked {
        method: Method::GET,
        target,
        host_bucket: Some("johnsmith"),
        headers,
    }
}

#[test]
fn aws_examples_hold() {
    let date = [("date", "Tue, 27 Mar 2007 19:36:42 +0000")];
    let object = get("/photos/puppy.jpg", &date);
    assert_eq!(object.has("bWq2s1WEIj+Ydj0vQ697zp+IXMU="), Ok(()));
    let put = [
        ("content-type", "image/jpeg"),
        ("content-length", "94328"),
        ("date", "Tue, 27 Mar 2007 21:15:45 +0000"),
    ];
    let put = Asked {
        method: Method::PUT,
        ..get("/photos/puppy.jpg", &put)
    };
    assert_eq!(put.has("MyyxeRY7whkBe+bq8fHCL/2kKUg="), Ok(()));
    let date = [("date", "Tue, 27 Mar 2007 19:42:41 +0000")];
    let list = get("/?prefix=photos&max-keys=50&marker=puppy", &date);
    assert_eq!(list.has("htDYFYduRNen8P9ZfE/s9SuKy0U="), Ok(()));
    let date = [("date", "Tue, 27 Mar 2007 19:44:46 +0000")];
    let acl = get("/?acl", &date);
    assert_eq!(acl.has("c2WLPFtWHVgbEmeEG93a4cG37dM="), Ok(()));
    let upload = [
        ("date", "Tue, 27 Mar 2007 21:06:08 +0000"),
        ("x-amz-acl", "public-read"),
        ("content-type", "application/x-download"),
        ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
        ("x-amz-meta-reviewedby", " joe@johnsmith.net"),
        ("x-amz-meta-reviewedby", "jane@johnsmith.net "),
        ("x-amz-meta-filechecksum", "0x02661779"),
        ("x-amz-meta-checksumalgorithm", "crc32"),
    ];
    let upload = Asked {
        method: Method::PUT,
        host_bucket: Some("static.johnsmith.net"),
        ..get("/db-backup.dat.gz", &upload)
    };
    assert_eq!(upload.has("ilyl83RwaSoYIEdixDQcA4OnAnc="), Ok(()));
}

#[test]
fn anything_changed_is_found_out() {
    let date = [("date", "Tue, 27 Mar 2007 19:36:42 +0000")];
    let signature = "bWq2s1WEIj+Ydj0vQ697zp+IXMU=";
    let mismatch = Err(SignatureError::Mismatch);
    let other = get("/photos/puppy.png", &date);
    assert_eq!(other.has(signature), mismatch);
    for method in [Method::HEAD, Method::DELETE] {
        let other = Asked {
            method,
            ..get("/photos/puppy.jpg", &date)
        };
        assert_eq!(other.has(signature), mismatch);
    }
    let of = |host_bucket, target| Asked {
        host_bucket,
        ..get(target, &date)
    };
    // The same object in path style; and one whose key is the whole path.
    assert_eq!(
        of(None, "/johnsmith/photos/puppy.jpg").has(signature),
        Ok(())
    );
    for (host, target) in [
        (Some("other"), "/photos/puppy.jpg"),
        (Some("other"), "/johnsmith/photos/puppy.jpg"),
        (None, "/photos/puppy.jpg"),
        (None, "/johnsmith/photos/puppy.jpg?acl"),
    ] {
        assert_eq!(of(host, target).has(signature), mismatch, "{target}");
    }
    let more = [date[0], ("x-amz-acl", "public-read")];
    assert_eq!(get("/photos/puppy.jpg", &more).has(signature), mismatch);
    let object = get("/photos/puppy.jpg", &date);
    for signature in ["", "bWq2", "not base64", "cWq2s1WEIj+Ydj0vQ697zp+IXMU="] {
        assert_eq!(object.has(signature), mismatch, "{signature}");
    }
}

#[test]
fn what_is_not_signed_asks_for_nothing_else() {
    for name in [
        "publicAccessBlock",
        "attributes",
        "retention",
        "renameObject",
    ] {
        let target = format!("/k?{name}");
        let refusal = Err(SignatureError::UnsignedQuery(name.to_owned()));
        assert_eq!(get(&target, &[]).has("x"), refusal);
    }
    let text = "GET\n\n\n\n/johnsmith/";
    let listing = get("/?list-type=2&start-after=a&x-id=ListObjectsV2&v=7", &[]);
    assert_eq!(listing.has(&sign(SECRET, text.as_bytes())), Ok(()));
}

#[test]
fn a_bucket_may_have_a_slash_behind_it() {
    for (target, text, expected) in [
        ("/b?acl", "/b?acl", true),
        ("/b?acl", "/b/?acl", true),
        ("/b/", "/b/", true),
        ("/b/", "/b", false),
        ("/b/k", "/b/k/", false),
        ("/", "//", false),
    ] {
        let asked = Asked {
            host_bucket: None,
            ..get(target, &[])
        };
        let text = format!("GET\n\n\n\n{text}");
        let found = asked.has(&sign(SECRET, text.as_bytes()));
        assert_eq!(found.is_ok(), expected, "{target} {text}");
    }
}

#[test]
fn an_amz_date_takes_the_place_of_the_other() {
    let dates = [("date", "yesterday"), ("x-amz-date", "today")];
    let text = "GET\n\n\n\nx-amz-date:today\n/johnsmith/k";
    let signature = sign(SECRET, text.as_bytes());
    assert_eq!(get("/k", &dates).has(&signature), Ok(()));
}

#[test]
fn signed_parameters_are_sorted_and_decoded() {
    let target = "/k?versionId=&x=y&response-content-type=a%2Fb&partNumber=1&acl";
    for text in [
        "GET\n\n\n\n/johnsmith/k?acl&partNumber=1&response-content-type=a/b&versionId",
        "GET\n\n\n\n/johnsmith/k?acl=&partNumber=1&response-content-type=a/b&versionId=",
    ] {
        let signature = sign(SECRET, text.as_bytes());
        assert_eq!(get(target, &[]).has(&signature), Ok(()), "{text}");
    }
}

#[test]
fn a_presigned_url_carries_headers() {
    let end = "1141889120";
    let claim = |signature| Version2 {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        signature,
        expires: Some(end),
    };
    // As in the documentation's example, with the secret of the others.
    let plain = get("/photos/puppy.jpg", &[("date", "no matter")]);
    assert_eq!(plain.verify(&claim("fScKGHCDI0NY5E7CYp9Vc8VKMbY=")), Ok(()));
    let text = "PUT\nmd5\ntext/plain\n1141889120\nx-amz-acl:private\nx-amz-meta-a:b c\n\
                /johnsmith/k";
    let signature = sign(SECRET, text.as_bytes());
    let put = |target, headers| Asked {
        method: Method::PUT,
        ..get(target, headers)
    };
    let carried = "/k?x-amz-meta-a=b+c&content-type=text%2Fplain&Content-MD5=md5";
    let header = [("x-amz-acl", "private")];
    assert_eq!(put(carried, &header).verify(&claim(&signature)), Ok(()));
    let two_in_one = "/k?x-amz-acl=private%0Ax-amz-meta-a:b+c&content-type=text%2Fplain\
                      &content-md5=md5";
    let unfit = Err(SignatureError::NoHeader("x-amz-acl".to_owned()));
    assert_eq!(put(two_in_one, &[]).verify(&claim(&signature)), unfit);
}
