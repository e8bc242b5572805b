use super::rack::{Ask, Rack};
use crate::checksum;
use s3d_bucket::ChecksumAlgorithm;

const PART: usize = 5 << 20;

struct Upload<'r> {
    rack: &'r Rack,
    id: String,
}

impl<'r> Upload<'r> {
    async fn begin(rack: &'r Rack, headers: &[(&'static str, &str)]) -> Self {
        let mut ask = Ask::new("POST", "/bucket/k?uploads");
        for (name, value) in headers {
            ask = ask.header(name, *value);
        }
        let id = rack.ask(ask).await.succeeds().element("UploadId").unwrap();
        Self { rack, id }
    }

    fn target(&self, number: usize) -> String {
        format!("/bucket/k?partNumber={number}&uploadId={}", self.id)
    }

    async fn part(&self, number: usize, body: &[u8]) -> String {
        let sum = checksum::of_bytes(ChecksumAlgorithm::Crc32, body);
        let target = self.target(number);
        let ask = Ask::new("PUT", &target)
            .header("x-amz-checksum-crc32", sum)
            .body(body);
        let answer = self.rack.ask(ask).await.succeeds();
        answer.headers["etag"].to_str().unwrap().to_owned()
    }

    async fn complete(
        &self,
        parts: &[(usize, &str)],
        headers: &[(&'static str, &str)],
    ) -> super::rack::Answer {
        let part = |(number, etag): &(usize, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let parts = parts.iter().map(part).collect::<Vec<_>>().concat();
        let target = format!("/bucket/k?uploadId={}", self.id);
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let mut ask = Ask::new("POST", &target).body(body);
        for (name, value) in headers {
            ask = ask.header(name, *value);
        }
        self.rack.ask(ask).await
    }
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 7 + seed) % 251) as u8)
        .collect()
}

#[tokio::test]
async fn parts_become_an_object_with_the_checksum_of_all_bytes() {
    let rack = Rack::new().await;
    let begin = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("content-type", "text/plain"),
    ];
    let upload = Upload::begin(&rack, &begin).await;
    let (first, last) = (bytes(PART, 1), bytes(100, 2));
    let etags = [upload.part(2, &first).await, upload.part(7, &last).await];
    let whole = [first, last].concat();
    let sum = checksum::of_bytes(ChecksumAlgorithm::Crc32, &whole);
    let parts = [(2, etags[0].as_str()), (7, etags[1].as_str())];
    let wrong = upload
        .complete(&parts, &[("x-amz-checksum-crc32", "AAAAAA==")])
        .await;
    wrong.refuses(400, "BadDigest");
    let size = whole.len().to_string();
    let claims = [
        ("x-amz-checksum-crc32", sum.as_str()),
        ("x-amz-mp-object-size", &size),
    ];
    let done = upload.complete(&parts, &claims).await.succeeds();
    assert_eq!(done.element("ChecksumCRC32"), Some(sum.clone()));
    assert!(done.element("ETag").unwrap().contains("-2"));
    let get = rack
        .ask(Ask::new("GET", "/bucket/k").header("x-amz-checksum-mode", "ENABLED"))
        .await;
    assert!(get.body == whole);
    assert_eq!(get.headers["x-amz-checksum-crc32"], sum.as_str());
    assert_eq!(get.headers["x-amz-checksum-type"], "FULL_OBJECT");
    assert_eq!(get.headers["content-type"], "text/plain");
    let second = rack.get("/bucket/k?partNumber=7").await;
    assert_eq!((second.status.as_u16(), second.body.len()), (206, 100));
    assert_eq!(second.headers["x-amz-mp-parts-count"], "2");
    rack.get("/bucket/k?partNumber=1")
        .await
        .refuses(416, "InvalidPartNumber");
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_can_be_repeated() {
    let rack = Rack::new().await;
    let upload = Upload::begin(&rack, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let etags = [
        upload.part(2, &bytes(PART, 1)).await,
        upload.part(7, b"last").await,
    ];
    let parts = [(2, etags[0].as_str()), (7, etags[1].as_str())];
    let told = |answer: &super::rack::Answer| {
        ["ETag", "ChecksumCRC32", "ChecksumType", "Location"].map(|it| answer.element(it))
    };
    // The condition held when the object was made, which is what is asked again.
    let absent = [("if-none-match", "*")];
    let first = told(&upload.complete(&parts, &absent).await.succeeds());
    for headers in [&absent[..], &[]] {
        let again = upload.complete(&parts, headers).await.succeeds();
        assert_eq!(told(&again), first);
    }

    for others in [&parts[..1], &[(1, parts[0].1), (2, parts[1].1)]] {
        let other = upload.complete(others, &[]).await;
        other.refuses(404, "NoSuchUpload");
    }
    let wrong = [("x-amz-mp-object-size", "4")];
    let wrong = upload.complete(&parts, &wrong).await;
    wrong.refuses(400, "InvalidRequest");
    rack.put("/bucket/k", b"new").await.succeeds();
    let replaced = upload.complete(&parts, &[]).await;
    replaced.refuses(404, "NoSuchUpload");
}

#[tokio::test]
async fn a_composite_checksum_counts_the_parts() {
    let rack = Rack::new().await;
    let upload = Upload::begin(&rack, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let etag = upload.part(1, b"hello").await;
    let done = upload.complete(&[(1, &etag)], &[]).await.succeeds();
    assert!(done.element("ChecksumCRC32").unwrap().ends_with("-1"));
    assert_eq!(done.element("ChecksumType").as_deref(), Some("COMPOSITE"));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_the_upload_stays() {
    let rack = Rack::new().await;
    let upload = Upload::begin(&rack, &[]).await;
    let etags = [
        upload.part(1, b"small").await,
        upload.part(2, b"last").await,
    ];
    let both = [(1, etags[0].as_str()), (2, etags[1].as_str())];
    upload
        .complete(&both, &[])
        .await
        .refuses(400, "EntityTooSmall");
    let turned = [(2, etags[1].as_str()), (1, etags[0].as_str())];
    upload
        .complete(&turned, &[])
        .await
        .refuses(400, "InvalidPartOrder");
    upload
        .complete(&[(3, &etags[0])], &[])
        .await
        .refuses(400, "InvalidPart");
    upload
        .complete(&[(1, &etags[1])], &[])
        .await
        .refuses(400, "InvalidPart");
    upload.complete(&[], &[]).await.refuses(400, "MalformedXML");
    let claims = [("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=")];
    upload
        .complete(&both[..1], &claims)
        .await
        .refuses(400, "InvalidRequest");
    let body = Ask::new("PUT", "/bucket/k?partNumber=0&uploadId=x").body("x");
    rack.ask(body).await.refuses(404, "NoSuchUpload");
    let target = upload.target(10_001);
    rack.ask(Ask::new("PUT", &target).body("x"))
        .await
        .refuses(400, "InvalidArgument");
    upload
        .complete(&both[..1], &[("if-none-match", "*")])
        .await
        .succeeds();
    assert_eq!(rack.get("/bucket/k").await.text(), "small");
}

#[tokio::test]
async fn uploads_and_parts_are_listed_until_aborted() {
    let rack = Rack::new().await;
    let upload = Upload::begin(&rack, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    for number in [1, 2, 3] {
        upload.part(number, b"hello").await;
    }
    let target = format!("/bucket/k?uploadId={}", upload.id);
    let page = rack.get(&format!("{target}&max-parts=2")).await.succeeds();
    assert_eq!(page.element("IsTruncated").as_deref(), Some("true"));
    assert_eq!(page.element("NextPartNumberMarker").as_deref(), Some("2"));
    let rest = rack
        .get(&format!("{target}&part-number-marker=2"))
        .await
        .succeeds();
    assert_eq!(rest.element("PartNumber").as_deref(), Some("3"));
    assert_eq!(rest.element("ChecksumCRC32").as_deref(), Some("NhCmhg=="));
    assert_eq!(rest.element("IsTruncated").as_deref(), Some("false"));
    let uploads = rack.get("/bucket?uploads").await.succeeds();
    assert_eq!(uploads.element("UploadId"), Some(upload.id.clone()));
    assert!(
        rack.get("/bucket?list-type=2")
            .await
            .element("Key")
            .is_none()
    );
    rack.ask(Ask::new("DELETE", &target)).await.succeeds();
    rack.ask(Ask::new("DELETE", &target))
        .await
        .refuses(404, "NoSuchUpload");
    rack.get(&target).await.refuses(404, "NoSuchUpload");
    assert!(
        rack.get("/bucket?uploads")
            .await
            .succeeds()
            .element("UploadId")
            .is_none()
    );
}
