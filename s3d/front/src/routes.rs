//! The way of a rename past s3s' own operations.

use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use crate::access::Access;
use crate::context::RequestContext;
use crate::host::Addressing;
use crate::operations::Operations;
use crate::query::Query;
use crate::resource::{ResourceKind, bucket_name, object_key};
use crate::supported::{self, Renamed};

/// Takes renames out of what s3s routes.
pub struct RenameRoute {
    /// Decides who may.
    pub access: Access,
    /// Does it.
    pub operations: Operations,
}

#[async_trait]
impl S3Route for RenameRoute {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> bool {
        let context = extensions.get::<RequestContext>();
        context.is_some_and(|it| renamed(method, uri, headers, &it.addressing).is_some())
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let addressing = RequestContext::of(request)?.addressing.clone();
        let uri = request.uri.clone();
        let key = object_key(&uri, &addressing)?;
        let bucket = bucket_name(&uri, &addressing);
        let operation = match renamed(&request.method, &uri, &request.headers, &addressing) {
            Some(Renamed::Prefix) => "RenamePrefix",
            _ => "RenameObject",
        };
        self.access
            .check_route(request, operation, bucket, &key)
            .await
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let addressing = &RequestContext::of(&request)?.addressing;
        match renamed(&request.method, &request.uri, &request.headers, addressing) {
            Some(Renamed::Prefix) => self.operations.rename_prefix(&request).await?,
            _ => self.operations.rename(&request).await?,
        }
        Ok(S3Response::new(Body::empty()))
    }
}

fn renamed(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    addressing: &Addressing,
) -> Option<Renamed> {
    let resource = ResourceKind::of(uri, addressing).ok()?;
    supported::renamed(method, resource, &Query::parse(uri.query()), headers)
}
