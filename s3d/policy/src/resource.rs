//! What a statement is about: a bucket, or objects in it.

use crate::error::PolicyError;
use crate::pattern::Pattern;

/// Some resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources(Vec<Resource>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    arn: String,
    /// `bucket`, or `bucket/key`.
    path: Pattern,
    /// What of the path is before its first slash.
    bucket: Pattern,
}

impl Resources {
    /// Reads ARNs such as `arn:aws:s3:::bucket/*`.
    pub fn read(arns: &[String]) -> Result<Self, PolicyError> {
        let resources = arns.iter().map(|arn| {
            let path = path(arn).ok_or_else(|| PolicyError::Resource(arn.clone()))?;
            let bucket = path.split_once('/').map_or(path, |(bucket, _)| bucket);
            Ok(Resource {
                arn: arn.clone(),
                path: Pattern::new(path)?,
                bucket: Pattern::new(bucket)?,
            })
        });
        resources.collect::<Result<_, _>>().map(Self)
    }

    /// Whether each of them is this bucket, or may be something in it.
    pub fn check_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        match self.0.iter().find(|it| !it.bucket.matches(bucket)) {
            Some(other) => Err(PolicyError::Resource(other.arn.clone())),
            None => Ok(()),
        }
    }

    /// Whether a bucket (`bucket`) or an object (`bucket/key`) is one of them.
    pub fn include(&self, path: &str) -> bool {
        self.0.iter().any(|it| it.path.matches(path))
    }

    /// Whether anything that begins so is one of them.
    pub fn include_below(&self, beginning: &str) -> bool {
        self.0.iter().any(|it| it.path.matches_below(beginning))
    }
}

fn path(arn: &str) -> Option<&str> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    let is_aws = partition == "aws" || partition.starts_with("aws-");
    let path = rest.strip_prefix("s3:::")?;
    (is_aws && !path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arn: &str) -> Result<Resources, PolicyError> {
        Resources::read(&[arn.to_owned()])
    }

    #[test]
    fn a_resource_is_a_bucket_or_what_is_in_it() {
        let objects = read("arn:aws:s3:::bucket/public/*").expect("objects");
        assert!(objects.include("bucket/public/a/b"));
        assert!(!objects.include("bucket") && !objects.include("bucket/private"));
        assert_eq!(objects.check_bucket("bucket"), Ok(()));
        assert!(objects.check_bucket("bucket2").is_err());
        let any = read("arn:aws:s3:::*").expect("anything");
        assert!(any.include("bucket") && any.include("bucket/key"));
        assert_eq!(any.check_bucket("bucket"), Ok(()));
    }

    #[test]
    fn what_is_no_resource_of_s3_is_refused() {
        for arn in [
            "*",
            "bucket",
            "arn:aws:s3:::",
            "arn:aws:sns:::bucket",
            "arn:x:s3:::bucket",
        ] {
            assert_eq!(read(arn), Err(PolicyError::Resource(arn.to_owned())));
        }
    }
}
