//! What a newcomer reads.

use std::io::Write as _;

use super::env_file::EnvFile;
use super::settings::Settings;

/// Says where everything is and what to paste. Its last line is the one that scripts wait for.
///
/// `code`: what signs the operator in once.
pub fn welcome(settings: &Settings, env: &EnvFile, code: Option<&str>) -> anyhow::Result<()> {
    let endpoint = env.need("AWS_ENDPOINT_URL")?;
    let region = env.need("AWS_REGION")?;
    let bucket = env.need("HAYRACK_BUCKET")?;
    let access_key = env.need("AWS_ACCESS_KEY_ID")?;
    let secret_key = env.need("AWS_SECRET_ACCESS_KEY")?;
    let env_file = settings.env_file();
    let api = env.need("HAYRACK_API_URL")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n  console        {api}/console/")?;
    if let Some(code) = code {
        writeln!(out, "  first use      {api}/console/enter#{code}")?;
        writeln!(
            out,
            "                 (signs you in, once and within an hour)"
        )?;
    }
    write!(
        out,
        r#"  S3 endpoint    {endpoint}
  REST API       {api}
  access key     {access_key}
  secret key     {secret_key}
  region         {region} (any will do)
  bucket         {bucket}, in the namespace {namespace}
  user           {email}, password {password}
  data           {data}

aws-cli, in another terminal:
  . {env_file}
  echo hello | aws --endpoint-url "$AWS_ENDPOINT_URL" s3 cp - "s3://$HAYRACK_BUCKET/hello.txt"
  aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls "s3://$HAYRACK_BUCKET"

As a file system, in another terminal:
  make mount        # {mount}; umount it before you stop Hayrack

JavaScript:
  import {{ S3Client, PutObjectCommand }} from "@aws-sdk/client-s3";
  const s3 = new S3Client({{
    region: "{region}", endpoint: "{endpoint}", forcePathStyle: true,
    credentials: {{ accessKeyId: "{access_key}", secretAccessKey: "{secret_key}" }},
  }});
  await s3.send(new PutObjectCommand({{ Bucket: "{bucket}", Key: "hello.txt", Body: "hello" }}));

Hayrack is ready. Ctrl-C stops it; another one quits at once.
"#,
        namespace = env.need("HAYRACK_NAMESPACE")?,
        email = env.need("HAYRACK_EMAIL")?,
        password = env.need("HAYRACK_PASSWORD")?,
        data = settings.data.display(),
        mount = settings.data.join("mnt").display(),
        env_file = env_file.display(),
    )?;
    out.flush()?;
    Ok(())
}
