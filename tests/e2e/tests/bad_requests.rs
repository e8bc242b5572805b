//! Requests that are malformed, oversized, wrongly signed, expired, truncated or corrupt. Each gets
//! the right S3 code and changes nothing, and the service goes on.

use std::time::{Duration, SystemTime};

use hayrack_e2e::http::{Answer, Connection, Request, element, exchange, percent_encode};
use hayrack_e2e::rack::Site;
use hayrack_e2e::s3::S3;

/// Runs a test with a server, the path of a bucket and an object `kept` in it, and looks whether
/// the object is untouched at the end.
fn with_bucket(test: impl FnOnce(&S3, &str)) {
    let site = Site::new();
    let rack = site.start();
    let (s3, bucket) = (rack.s3(), rack.bucket());
    let kept = format!("{bucket}/kept");
    assert_eq!(s3.put(&kept, "kept").status, 200);
    test(&s3, &bucket);
    let answer = s3.get(&kept);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "kept"),
        "{}",
        site.log()
    );
    let listed = s3.get(&format!("{bucket}?list-type=2")).text();
    assert!(
        !listed.contains("refused"),
        "a refused object is there: {listed}"
    );
    assert!(rack.stop().success());
}

fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
    let sentence = element(&answer.text(), "Message");
    assert!(
        sentence.is_some_and(|text| text.len() > 10),
        "no sentence: {}",
        answer.text()
    );
}

#[test]
fn signatures() {
    with_bucket(|s3, bucket| {
        let path = format!("{bucket}/refused");
        let put = || Request::new("PUT", path.as_str()).body("refused");
        let other = |change: &dyn Fn(&mut S3)| {
            let mut other = s3.clone();
            change(&mut other);
            other.send(put())
        };
        let wrong = other(&|s3| s3.secret_key.push('x'));
        assert_refused(&wrong, 403, "SignatureDoesNotMatch");
        let unknown = other(&|s3| s3.access_key = "NOBODYNOBODYNOBODY00".into());
        assert_refused(&unknown, 403, "InvalidAccessKeyId");
        let late = other(&|s3| s3.time = SystemTime::now() - Duration::from_hours(1));
        assert_refused(&late, 403, "RequestTimeTooSkewed");
        let early = other(&|s3| s3.time = SystemTime::now() + Duration::from_hours(1));
        assert_refused(&early, 403, "RequestTimeTooSkewed");

        let send = |request: &Request| exchange(s3.address, request).expect("an answer");
        let anonymous = put().header("host", s3.host.as_str());
        assert_refused(&send(&anonymous), 403, "AccessDenied");
        let mut corrupt = s3.sign(put());
        corrupt.body = b"REFUSED".to_vec();
        assert_refused(&send(&corrupt), 400, "XAmzContentSHA256Mismatch");
        let mut moved = s3.sign(put());
        moved.target.push_str("-elsewhere");
        assert_refused(&send(&moved), 403, "SignatureDoesNotMatch");
        for nonsense in [
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=a",
            "Basic YTpi",
        ] {
            let request = anonymous.clone().header("authorization", nonsense);
            let answer = send(&request);
            assert!(
                (400..404).contains(&answer.status),
                "{nonsense}: {}",
                answer.status
            );
        }
    });
}

#[test]
fn presigned_urls() {
    with_bucket(|s3, bucket| {
        let put = || Request::new("PUT", format!("{bucket}/refused")).body("refused");
        let send = |request: &Request| exchange(s3.address, request).expect("an answer");
        let minute = Duration::from_mins(1);

        let good = s3.presign(Request::new("GET", format!("{bucket}/kept")), minute);
        assert_eq!(send(&good).text(), "kept");
        let past = S3 {
            time: SystemTime::now() - Duration::from_hours(1),
            ..s3.clone()
        };
        assert_refused(&send(&past.presign(put(), minute)), 403, "AccessDenied");
        let mut moved = s3.presign(put(), minute);
        moved.target = moved.target.replacen("refused", "refused-elsewhere", 1);
        assert_refused(&send(&moved), 403, "SignatureDoesNotMatch");
        let mut longer = s3.presign(put(), minute);
        longer.target = longer
            .target
            .replacen("X-Amz-Expires=60", "X-Amz-Expires=6000", 1);
        assert_refused(&send(&longer), 403, "SignatureDoesNotMatch");
        let mut other_method = s3.presign(Request::new("GET", format!("{bucket}/kept")), minute);
        other_method.method = "DELETE".into();
        assert_refused(&send(&other_method), 403, "SignatureDoesNotMatch");
        let unsigned_header = s3.presign(put(), minute).header("x-amz-acl", "public-read");
        assert!(
            (400..404).contains(&send(&unsigned_header).status),
            "it gained a header"
        );
    });
}

#[test]
fn bodies() {
    with_bucket(|s3, bucket| {
        let put = || Request::new("PUT", format!("{bucket}/refused")).body("refused");
        // The digests are of other bytes.
        for (header, value, codes) in [
            (
                "content-md5",
                "1B2M2Y8AsgTpgAmY7PhCfg==",
                &["BadDigest"][..],
            ),
            ("content-md5", "nonsense", &["InvalidDigest"]),
            (
                "x-amz-checksum-crc32",
                "AAAAAA==",
                &["BadDigest", "XAmzContentChecksumMismatch"],
            ),
            ("x-amz-checksum-crc32c", "nonsense", &["BadDigest"]),
            ("x-amz-checksum-sha256", "AAAA", &["BadDigest"]),
        ] {
            let answer = s3.send(put().header(header, value));
            assert_eq!(answer.status, 400, "{header}: {value}");
            assert!(
                codes.contains(&answer.code().as_str()),
                "{header}: {}",
                answer.text()
            );
        }
        let huge = (5_u64 << 40) + 1;
        let request = s3.sign(put()).header("content-length", huge.to_string());
        let answer = exchange(s3.address, &request).expect("an answer");
        assert_refused(&answer, 400, "EntityTooLarge");

        let truncated = s3.sign(put()).header("content-length", "100");
        let mut connection = Connection::open(s3.address).expect("the server listens");
        connection.send(&truncated.head()).expect("it reads");
        connection.send(b"half").expect("it reads");
        connection.finish().expect("it is open");
        if let Ok(answer) = connection.answer("PUT") {
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
    });
}

#[test]
fn keys() {
    with_bucket(|s3, bucket| {
        let longest = "k".repeat(1024);
        assert_eq!(s3.put(&format!("{bucket}/{longest}"), "").status, 200);
        let answer = s3.put(&format!("{bucket}/{longest}k"), "refused");
        assert_refused(&answer, 400, "KeyTooLongError");
        let not_utf8 = s3.put(&format!("{bucket}/refused%FF%FE"), "refused");
        assert_eq!(not_utf8.status, 400, "{}", not_utf8.text());
        assert!(!not_utf8.code().is_empty(), "{}", not_utf8.text());
        // Keys are names and no paths: these are stored as they are, or refused, never resolved.
        for key in [
            "../kept",
            "a/../kept",
            "..",
            "./kept",
            "/kept",
            "a//b",
            "a\0b",
            "a\nb",
            "%2e",
        ] {
            let path = format!(
                "{bucket}/{}",
                percent_encode(key.as_bytes()).replace("%2F", "/")
            );
            let stored = s3.put(&path, key);
            if stored.status == 200 {
                assert_eq!(s3.get(&path).text(), key, "{key:?} came back different");
            } else {
                assert_eq!(stored.status, 400, "{key:?}: {}", stored.text());
            }
        }
        for path in [
            "/../../../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/no-such-bucket/x",
        ] {
            let answer = s3.get(path);
            assert!(
                (400..500).contains(&answer.status),
                "{path}: {}",
                answer.text()
            );
        }
    });
}

#[test]
fn documents() {
    with_bucket(|s3, bucket| {
        let post = |query: &str, body: &str| {
            s3.send(Request::new("POST", format!("{bucket}{query}")).body(body))
        };
        let empty = post("?delete=", "");
        assert_refused(&empty, 400, "MissingRequestBodyError");
        for body in [
            "no XML",
            "<Delete>",
            "<Delete><Object></Delete>",
            "<Other/>",
        ] {
            assert_refused(&post("?delete=", body), 400, "MalformedXML");
        }
        let many = "<Object><Key>k</Key></Object>".repeat(1001);
        assert_refused(
            &post("?delete=", &format!("<Delete>{many}</Delete>")),
            400,
            "MalformedXML",
        );
        let created = s3.send(Request::new("POST", format!("{bucket}/refused?uploads=")));
        let upload = element(&created.text(), "UploadId").expect("an id");
        let complete = |body: &str| post(&format!("/refused?uploadId={upload}"), body);
        assert_refused(&complete("<CompleteMultipartUpload>"), 400, "MalformedXML");
        let part = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag>\
                    </Part></CompleteMultipartUpload>";
        assert_refused(&complete(part), 400, "InvalidPart");
        assert_refused(
            &post("/refused?uploadId=nonsense", part),
            404,
            "NoSuchUpload",
        );
    });
}

#[test]
fn what_is_not_built() {
    with_bucket(|s3, bucket| {
        let annotation = format!("{bucket}/refused?annotation=");
        let annotation = Request::new("PUT", annotation).body("refused");
        assert_refused(&s3.send(annotation), 501, "NotImplemented");
        for query in ["lifecycle=", "website=", "replication=", "encryption="] {
            let put = Request::new("PUT", format!("{bucket}?{query}")).body("<x/>");
            assert_refused(&s3.send(put), 501, "NotImplemented");
        }
    });
}

#[test]
fn renames() {
    with_bucket(|s3, bucket| {
        let rename = |source: &str| {
            Request::new("PUT", format!("{bucket}/refused?renameObject="))
                .header("x-amz-rename-source", source)
        };
        let put = Request::new("PUT", format!("{bucket}/refused?renameObject=")).body("refused");
        assert_refused(&s3.send(put), 400, "InvalidRequest");
        let bodied = rename("kept").body("refused");
        assert_refused(&s3.send(bodied), 400, "InvalidRequest");
        let unnamed = Request::new("PUT", format!("{bucket}/refused?renameObject="));
        assert_refused(&s3.send(unnamed), 400, "InvalidArgument");
        for source in ["", "/", "%FF", "a%00b", &"k".repeat(1025)] {
            assert_refused(&s3.send(rename(source)), 400, "InvalidArgument");
        }
        for source in ["never", "another/kept", "../kept", "..%2Fkept"] {
            assert_refused(&s3.send(rename(source)), 404, "NoSuchKey");
        }
        let longest = Request::new("PUT", format!("{bucket}/{}", "k".repeat(1025)));
        let longest = longest.header("x-amz-rename-source", "kept");
        assert_refused(&s3.send(longest), 400, "KeyTooLongError");
        let token = rename("kept").header("x-amz-client-token", "t".repeat(65));
        assert_refused(&s3.send(token), 400, "InvalidArgument");
        let condition = rename("kept").header("x-amz-rename-source-if-match", "\"x\"");
        assert_refused(&s3.send(condition), 412, "PreconditionFailed");
        for (name, status) in [("x-amz-copy-source", 501), ("x-amz-rename-source-x", 501)] {
            let alien = rename("kept").header(name, "kept");
            assert_refused(&s3.send(alien), status, "NotImplemented");
        }
    });
}

#[test]
fn renames_of_prefixes() {
    with_bucket(|s3, bucket| {
        let target = format!("{bucket}/refused/?renamePrefix=");
        let rename = |source: &str| {
            Request::new("PUT", target.clone()).header("x-amz-rename-source", source)
        };
        for source in ["", "/", "%FF", "a%00b", "refused/a", &"k".repeat(1025)] {
            assert_refused(&s3.send(rename(source)), 400, "InvalidArgument");
        }
        for source in ["never/", "another/kept", "../kept", "..%2Fkept"] {
            assert_refused(&s3.send(rename(source)), 404, "NoSuchKey");
        }
        let unnamed = Request::new("PUT", target.clone());
        assert_refused(&s3.send(unnamed), 400, "InvalidArgument");
        let bodied = rename("kept").body("refused");
        assert_refused(&s3.send(bodied), 400, "InvalidRequest");
        for (name, value) in [
            ("if-match", "*"),
            ("if-none-match", "\"x\""),
            ("x-amz-client-token", "t"),
            ("x-amz-rename-source-if-match", "\"x\""),
            ("x-amz-copy-source", "kept"),
        ] {
            let alien = rename("kept").header(name, value);
            assert_refused(&s3.send(alien), 501, "NotImplemented");
        }
        let whole = Request::new("PUT", format!("{bucket}?renamePrefix="));
        let whole = whole.header("x-amz-rename-source", "kept");
        assert_refused(&s3.send(whole), 501, "NotImplemented");
    });
}

#[test]
fn appends() {
    with_bucket(|s3, bucket| {
        let append = |key: &str, offset: &str, body: &str| {
            let put = Request::new("PUT", format!("{bucket}/{key}")).body(body);
            put.header("x-amz-write-offset-bytes", offset)
        };
        for (key, offset) in [
            ("kept", "0"),
            ("kept", "5"),
            ("refused", "1"),
            ("kept", "-4"),
        ] {
            let refused = s3.send(append(key, offset, "refused"));
            assert_refused(&refused, 400, "InvalidWriteOffset");
        }
        for offset in ["", "four", "4.0", "99999999999999999999"] {
            let refused = s3.send(append("kept", offset, "refused"));
            assert_eq!(refused.status, 400, "{offset}: {}", refused.text());
        }
        for (key, offset) in [("kept", "4"), ("refused", "0")] {
            let empty = s3.send(append(key, offset, ""));
            assert_refused(&empty, 400, "InvalidRequest");
        }
        let described = append("kept", "4", "refused").header("x-amz-meta-a", "b");
        assert_refused(&s3.send(described), 400, "InvalidRequest");
        let corrupt = append("kept", "4", "refused").header("x-amz-checksum-crc32", "AAAAAA==");
        assert_refused(&s3.send(corrupt), 400, "BadDigest");
        let copy = append("refused", "0", "").header("x-amz-copy-source", format!("{bucket}/kept"));
        assert_refused(&s3.send(copy), 501, "NotImplemented");
    });
}

#[test]
fn patches() {
    with_bucket(|s3, bucket| {
        let patch = |ranges: &str, body: &str| {
            Request::new("PATCH", format!("{bucket}/kept"))
                .header("content-range", ranges)
                .body(body)
        };
        for ranges in [
            "",
            "bytes",
            "bytes */*",
            "bytes 0-1",
            "bytes=0-1/*",
            "bytes 1-0/*",
            "bytes 0-1,1-2/*",
            "bytes 0-99999999999999999999/*",
        ] {
            let refused = s3.send(patch(ranges, "refused"));
            assert_refused(&refused, 400, "InvalidArgument");
        }
        for body in ["a", "abc"] {
            let refused = s3.send(patch("bytes 0-1/*", body));
            assert_refused(&refused, 400, "InvalidArgument");
        }
        let gap = s3.send(patch("bytes 5-5/*", "x"));
        assert_refused(&gap, 416, "InvalidRange");
        let corrupt = patch("bytes 0-0/*", "x").header("x-amz-checksum-crc32", "AAAAAA==");
        assert_refused(&s3.send(corrupt), 400, "BadDigest");
        for (name, value) in [("x-amz-tagging", "a=b"), ("x-amz-copy-source", "kept")] {
            let alien = patch("bytes 0-0/*", "x").header(name, value);
            assert_refused(&s3.send(alien), 501, "NotImplemented");
        }
        let nothing = Request::new("PATCH", format!("{bucket}/refused"))
            .header("content-range", "bytes 0-0/*")
            .body("x");
        assert_refused(&s3.send(nothing), 404, "NoSuchKey");
        let whole = Request::new("PATCH", bucket).body("x");
        assert_refused(&s3.send(whole), 501, "NotImplemented");
    });
}

#[test]
fn what_describes_an_object_or_a_bucket_is_never_taken_for_bytes() {
    with_bucket(|s3, bucket| {
        for query in ["acl=", "tagging=", "legal-hold=", "retention="] {
            let put = Request::new("PUT", format!("{bucket}/refused?{query}")).body("refused");
            assert_refused(&s3.send(put), 400, "MalformedXML");
        }
        let policy = Request::new("PUT", format!("{bucket}?policy=")).body("<x/>");
        assert_refused(&s3.send(policy), 400, "MalformedPolicy");
        let get = Request::new("GET", format!("{bucket}/refused"));
        assert_refused(&s3.send(get), 404, "NoSuchKey");
    });
}

#[test]
fn bytes_that_are_no_http() {
    with_bucket(|s3, bucket| {
        let long_header = [
            format!("GET {bucket}/kept HTTP/1.1\r\nx: ").into_bytes(),
            vec![b'x'; 1 << 20],
            b"\r\n\r\n".to_vec(),
        ]
        .concat();
        let samples: [&[u8]; 6] = [
            b"\0\x01\x02\x03\xff\xfe\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET\r\n\r\n",
            b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            b"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            &long_header,
        ];
        for sample in samples {
            let mut connection = Connection::open(s3.address).expect("the server listens");
            // It may close before it has read everything.
            let _ = connection.send(sample);
            let _ = connection.finish();
            if let Ok(answer) = connection.answer("GET") {
                assert!(
                    answer.status >= 400,
                    "{:?}",
                    &sample[..sample.len().min(60)]
                );
            }
        }
    });
}
