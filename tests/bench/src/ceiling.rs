//! An S3 server that stores nothing and answers every request alike: what no server built on the
//! same HTTP and S3 libraries can surpass on this machine.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use clap::Args;
use futures::StreamExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, ETag,
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, PutObjectInput,
    PutObjectOutput, StreamingBlob,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;

/// Length of every object, in bytes.
const SIZE: usize = 4 << 10;
const ETAG: &str = "9e107d9d372bb6826bd81d3542a419d6";

/// Where to listen, and for whom.
#[derive(Args)]
pub struct Options {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The access key id
    #[arg(long, env = "AWS_ACCESS_KEY_ID")]
    access_key: String,
    /// The secret access key
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_key: String,
}

/// Serves until the process is ended.
///
/// # Errors
/// When it cannot listen.
pub fn execute(options: Options) -> anyhow::Result<()> {
    let mut builder = S3ServiceBuilder::new(Constant);
    builder.set_auth(SimpleAuth::from_single(
        options.access_key,
        options.secret_key,
    ));
    let service = builder.build();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(options.listen, service))
}

async fn serve(address: SocketAddr, service: S3Service) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connection);
    }
}

struct Constant;

fn etag() -> ETag {
    ETag::Strong(ETAG.to_owned())
}

#[async_trait]
impl S3 for Constant {
    async fn create_bucket(
        &self,
        _: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        if let Some(mut body) = request.input.body.take() {
            while let Some(bytes) = body.next().await {
                bytes.map_err(|_| s3_error!(IncompleteBody))?;
            }
        }
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(etag()),
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        _: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let body = Body::from(Bytes::from_static(&[7; SIZE]));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::from(body)),
            content_length: i64::try_from(SIZE).ok(),
            e_tag: Some(etag()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        _: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(SIZE).ok(),
            e_tag: Some(etag()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        _: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }
}
