//! What a newcomer reads.

use std::io::Write as _;
use std::path::Path;

use hayrack_rack::rack::Rack;

use super::env_file::EnvFile;
use super::env_path;

/// Says where everything is and what to type. Its last line is the one that scripts wait for.
///
/// # Errors
/// When nobody reads it.
pub fn print(rack: &Rack, env: &EnvFile, data: &Path, program: &Path) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    for node in rack.indices().map(|index| rack.node(index)) {
        let (name, s3, api) = (node.name(), node.s3(), node.api());
        writeln!(out, "  {name}  S3 http://{s3}  REST API http://{api}")?;
        writeln!(out, "          {}", node.admin_socket().display())?;
    }
    let (rack, volumed) = (program.display(), program.with_file_name("volumed"));
    write!(
        out,
        r#"
  access key  {access_key}
  secret key  {secret_key}
  bucket      {bucket}

In another terminal; any node serves any bucket:
  . {env}
  echo hello | aws --endpoint-url "$AWS_ENDPOINT_URL" s3 cp - "s3://$HAYRACK_BUCKET/hello.txt"

What runs, who serves what, and how a node dies, comes back, hangs, is cut off and heals:
  {rack} status
  {volumed} node list --socket {data}/node-2/volumed/admin.sock
  {rack} kill 1
  {rack} start 1
  {rack} pause 2
  {rack} cut 3
  {rack} heal 3

Hayrack is ready. Ctrl-C stops it; another one quits at once.
"#,
        access_key = env.need("AWS_ACCESS_KEY_ID")?,
        secret_key = env.need("AWS_SECRET_ACCESS_KEY")?,
        bucket = env.need("HAYRACK_BUCKET")?,
        env = env_path(data).display(),
        volumed = volumed.display(),
        data = data.display(),
    )?;
    out.flush()?;
    Ok(())
}
