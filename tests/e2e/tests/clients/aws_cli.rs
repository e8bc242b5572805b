//! aws-cli, version 1 from PyPI and version 2 from Debian: the lines that people have in scripts.

use std::fs;
use std::path::Path;

use hayrack_e2e::clients::{command, debian, newest, run};
use hayrack_e2e::rack::Rack;

use crate::{Trees, with_rack};

/// `aws`, to be called with its words in one line.
struct Aws<'a> {
    rack: &'a Rack<'a>,
    program: &'a Path,
    endpoint: String,
}

impl Aws<'_> {
    fn line(&self, words: &str) -> String {
        self.words(&words.split_whitespace().collect::<Vec<_>>())
    }

    fn words(&self, words: &[&str]) -> String {
        let mut command = command(self.rack, self.program);
        // Version 2.9 knows no AWS_ENDPOINT_URL.
        command
            .args(["--endpoint-url", &self.endpoint])
            .args(["--output", "text"])
            .args(words);
        run(&mut command).trim_end().to_owned()
    }
}

fn high_level(aws: &Aws<'_>, trees: &Trees) {
    let (up, down) = (trees.up(), trees.down());
    let (up, down) = (up.display(), down.display());
    aws.line("s3 mb s3://aws-lines");
    aws.line(&format!(
        "s3 sync --only-show-errors {up} s3://aws-lines/tree"
    ));
    aws.line("s3 mv --only-show-errors --recursive s3://aws-lines/tree s3://aws-lines/moved");
    aws.line("s3 cp --only-show-errors --recursive s3://aws-lines/moved s3://aws-lines/tree");
    aws.line(&format!(
        "s3 sync --only-show-errors s3://aws-lines/tree {down}"
    ));
    trees.assert_same();
    assert_eq!(aws.line(&format!("s3 sync {up} s3://aws-lines/moved")), "");
    let listed = aws.line("s3 ls --recursive --summarize s3://aws-lines/tree/");
    assert!(listed.contains("Total Objects: 60"), "{listed}");
    let url = aws.line("s3 presign --expires-in 60 s3://aws-lines/tree/folder-0/plain-0.txt");
    assert!(
        url.contains("X-Amz-Signature") || url.contains("Signature="),
        "{url}"
    );
    aws.line("s3 rb --force s3://aws-lines");
}

fn api(aws: &Aws<'_>, trees: &Trees) {
    let body = trees.path("body");
    fs::write(&body, b"0123456789").expect("a file can be written");
    let body = body.display();
    aws.line("s3api create-bucket --bucket aws-api");
    aws.line(&format!(
        "s3api put-object --bucket aws-api --key a --body {body} --content-type text/x --metadata a=b --tagging x=1"
    ));
    let head =
        "s3api head-object --bucket aws-api --key a --query [ContentLength,ContentType,Metadata.a]";
    assert_eq!(aws.line(head), "10\ttext/x\tb");
    let part = trees.path("part");
    aws.line(&format!(
        "s3api get-object --bucket aws-api --key a --range bytes=2-4 {}",
        part.display()
    ));
    assert_eq!(fs::read(&part).expect("it was fetched"), b"234");
    aws.line("s3api copy-object --bucket aws-api --key b --copy-source aws-api/a");
    let tags = "s3api get-object-tagging --bucket aws-api --key b --query TagSet[].[Key,Value]";
    assert_eq!(aws.line(tags), "x\t1");
    aws.line("s3api put-object-acl --bucket aws-api --key b --acl public-read");
    let grants =
        aws.line("s3api get-object-acl --bucket aws-api --key b --query Grants[].Permission");
    assert!(
        grants.contains("READ") && grants.contains("FULL_CONTROL"),
        "{grants}"
    );
    aws.line("s3api put-bucket-tagging --bucket aws-api --tagging TagSet=[{Key=k,Value=v}]");
    assert_eq!(
        aws.line("s3api get-bucket-tagging --bucket aws-api --query TagSet[].Value"),
        "v"
    );
    assert_eq!(aws.line("s3api get-bucket-versioning --bucket aws-api"), "");
    assert_eq!(
        aws.line("s3api list-object-versions --bucket aws-api --query Versions[].Key"),
        "a\tb"
    );
    let upload =
        aws.line("s3api create-multipart-upload --bucket aws-api --key c --query UploadId");
    aws.line(&format!(
        "s3api upload-part-copy --bucket aws-api --key c --upload-id {upload} --part-number 1 --copy-source aws-api/a"
    ));
    let parts = format!(
        "s3api list-parts --bucket aws-api --key c --upload-id {upload} --query Parts[].Size"
    );
    assert_eq!(aws.line(&parts), "10");
    aws.line(&format!(
        "s3api abort-multipart-upload --bucket aws-api --key c --upload-id {upload}"
    ));
    aws.line("s3 rb --force s3://aws-api");
}

fn use_for_real(program: &Path, seed: u64) {
    with_rack(|rack| {
        let endpoint = rack.var("AWS_ENDPOINT_URL");
        let aws = Aws {
            rack,
            program,
            endpoint,
        };
        println!("{}", aws.line("--version"));
        high_level(&aws, &Trees::plant(seed));
        api(&aws, &Trees::plant(seed));
    });
}

#[test]
fn version_1() {
    use_for_real(&newest("aws"), 11);
}

#[test]
fn version_2() {
    use_for_real(&debian("aws"), 12);
}
