//! The operations that s3s does not know.

use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use super::access::Access;
use super::operations::Operations;
use super::patching::PatchRoute;
use super::rename::RenameRoute;

/// All of them; s3s takes one route.
pub struct Routes {
    patch: PatchRoute,
    rename: RenameRoute,
}

impl Routes {
    /// `access` decides who may; `operations` does it.
    pub fn new(access: &Access, operations: &Operations) -> Self {
        Self {
            patch: PatchRoute {
                access: access.clone(),
                operations: operations.clone(),
            },
            rename: RenameRoute {
                access: access.clone(),
                operations: operations.clone(),
            },
        }
    }

    fn of(&self, method: &Method) -> &dyn S3Route {
        match *method {
            Method::PATCH => &self.patch,
            _ => &self.rename,
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
        self.of(method).is_match(method, uri, headers, extensions)
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        self.of(&request.method).check_access(request).await
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        self.of(&request.method).call(request).await
    }
}
