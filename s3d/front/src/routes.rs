//! The operations that s3s does not know: their way past its own.

use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use super::access::Access;
use super::context::RequestContext;
use super::host::Addressing;
use super::listing;
use super::operations::Operations;
use super::query::Query;
use super::resource::{ResourceKind, bucket_name, object_key};
use super::supported::{self, Renamed};

/// Takes them out of what s3s routes.
pub struct Routes {
    /// Decides who may.
    pub access: Access,
    /// Does it.
    pub operations: Operations,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Routed {
    Rename(Renamed),
    /// Ranges of an object get other bytes.
    Patch,
    /// A listing with what describes each object.
    DescribedList,
}

impl Routed {
    fn of(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        addressing: &Addressing,
    ) -> Option<Self> {
        let resource = ResourceKind::of(uri, addressing).ok()?;
        if *method == Method::PATCH {
            return Some(Self::Patch);
        }
        let query = Query::parse(uri.query());
        if listing::describes(method, resource, &query) {
            return Some(Self::DescribedList);
        }
        supported::renamed(method, resource, &query, headers).map(Self::Rename)
    }

    fn of_request(request: &S3Request<Body>) -> S3Result<Option<Self>> {
        let addressing = &RequestContext::of(request)?.addressing;
        let S3Request {
            method,
            uri,
            headers,
            ..
        } = request;
        Ok(Self::of(method, uri, headers, addressing))
    }

    /// Its name in logs, metrics and policies' eyes.
    const fn name(self) -> &'static str {
        match self {
            Self::Rename(Renamed::Object) => "RenameObject",
            Self::Rename(Renamed::Prefix) => "RenamePrefix",
            Self::Patch => "PatchObject",
            Self::DescribedList => "ListObjectsV2",
        }
    }
}

#[async_trait]
impl S3Route for Routes {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> bool {
        let context = extensions.get::<RequestContext>();
        context.is_some_and(|it| Routed::of(method, uri, headers, &it.addressing).is_some())
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let addressing = RequestContext::of(request)?.addressing.clone();
        let Some(routed) = Routed::of_request(request)? else {
            return Ok(());
        };
        let uri = request.uri.clone();
        let key = match routed {
            Routed::Rename(_) | Routed::Patch => Some(object_key(&uri, &addressing)?),
            Routed::DescribedList => None,
        };
        let bucket = bucket_name(&uri, &addressing);
        self.access
            .check_route(request, routed.name(), bucket, key.as_deref())
            .await
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        match Routed::of_request(&request)? {
            Some(Routed::DescribedList) => return self.operations.list_described(request).await,
            Some(Routed::Patch) => return self.operations.patch(&request).await,
            Some(Routed::Rename(Renamed::Prefix)) => {
                self.operations.rename_prefix(&request).await?;
            }
            _ => self.operations.rename(&request).await?,
        }
        Ok(S3Response::new(Body::empty()))
    }
}
