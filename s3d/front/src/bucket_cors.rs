//! A bucket's CORS rules, as its owner sets them.

use s3d_buckets::CorsRule;
use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::access::bucket;
use super::operations::Operations;
use super::unset::Unset;

/// Most rules of a bucket, as in S3.
const MAX_RULES: usize = 100;

/// The methods that a rule may allow.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// Why CORS rules are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsRuleError {
    /// None, or too many.
    #[error("a CORS configuration has 1 to {MAX_RULES} rules")]
    Count,
    /// A method that no rule may allow.
    #[error("found unsupported HTTP method in CORS config: {0}")]
    Method(String),
    /// An origin or a header with more than one `*`.
    #[error("{0} can not have more than one wildcard")]
    Wildcards(String),
    /// A rule that allows nothing.
    #[error("a rule has at least one allowed origin and one allowed method")]
    Nothing,
    /// An exposed header with a wildcard.
    #[error("ExposeHeader {0} contains a wildcard")]
    Exposed(String),
}

/// Checks the rules of a document.
fn read(rules: &[CORSRule]) -> Result<Vec<CorsRule>, CorsRuleError> {
    if !(1..=MAX_RULES).contains(&rules.len()) {
        return Err(CorsRuleError::Count);
    }
    rules.iter().map(read_rule).collect()
}

fn read_rule(rule: &CORSRule) -> Result<CorsRule, CorsRuleError> {
    let rule = CorsRule {
        id: rule.id.clone(),
        allowed_origins: rule.allowed_origins.clone(),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_headers: rule.allowed_headers.clone().unwrap_or_default(),
        expose_headers: rule.expose_headers.clone().unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds.and_then(|it| u32::try_from(it).ok()),
    };
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(CorsRuleError::Nothing);
    }
    let unknown = |method: &&String| !METHODS.contains(&method.as_str());
    if let Some(method) = rule.allowed_methods.iter().find(unknown) {
        return Err(CorsRuleError::Method(method.clone()));
    }
    let wild = |pattern: &&String| pattern.matches('*').count() > 1;
    let mut patterns = rule.allowed_origins.iter().chain(&rule.allowed_headers);
    if let Some(pattern) = patterns.find(wild) {
        return Err(CorsRuleError::Wildcards(pattern.clone()));
    }
    if let Some(header) = rule.expose_headers.iter().find(|it| it.contains('*')) {
        return Err(CorsRuleError::Exposed(header.clone()));
    }
    Ok(rule)
}

fn show(rule: &CorsRule) -> CORSRule {
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    CORSRule {
        allowed_headers: some(&rule.allowed_headers),
        allowed_methods: rule.allowed_methods.clone(),
        allowed_origins: rule.allowed_origins.clone(),
        expose_headers: some(&rule.expose_headers),
        id: rule.id.clone(),
        max_age_seconds: rule.max_age_seconds.and_then(|it| i32::try_from(it).ok()),
    }
}

impl Operations {
    /// The rules.
    pub(super) fn cors(
        request: &S3Request<GetBucketCorsInput>,
    ) -> S3Result<S3Response<GetBucketCorsOutput>> {
        let rules = &bucket(request)?.settings.cors;
        if rules.is_empty() {
            return Err(Unset::Cors.into());
        }
        let cors_rules = Some(rules.iter().map(show).collect());
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules }))
    }

    /// Sets all of them.
    pub(super) async fn set_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> S3Result<S3Response<PutBucketCorsOutput>> {
        let rules = read(&request.input.cors_configuration.cors_rules)?;
        self.configure(&request, |record| {
            record.settings.cors.clone_from(&rules);
        })
        .await?;
        Ok(S3Response::new(PutBucketCorsOutput {}))
    }

    /// Removes all of them.
    pub(super) async fn delete_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
        self.configure(&request, |record| record.settings.cors.clear())
            .await?;
        Ok(S3Response::new(DeleteBucketCorsOutput {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origin: &str, method: &str) -> CORSRule {
        CORSRule {
            allowed_headers: None,
            allowed_methods: vec![method.into()],
            allowed_origins: vec![origin.into()],
            expose_headers: None,
            id: Some("a".into()),
            max_age_seconds: Some(60),
        }
    }

    #[test]
    fn rules_come_back() {
        let rules = [rule("https://*.example.org", "GET"), rule("*", "DELETE")];
        let kept = read(&rules).expect("fine");
        assert_eq!(kept[0].max_age_seconds, Some(60));
        assert_eq!(kept.iter().map(show).collect::<Vec<_>>(), rules);
    }

    #[test]
    fn rules_have_limits() {
        assert_eq!(read(&[]), Err(CorsRuleError::Count));
        let many = vec![rule("*", "GET"); MAX_RULES + 1];
        assert_eq!(read(&many), Err(CorsRuleError::Count));
        let patch = read(&[rule("*", "PATCH")]);
        assert_eq!(patch, Err(CorsRuleError::Method("PATCH".into())));
        let wild = read(&[rule("*.*", "GET")]);
        assert_eq!(wild, Err(CorsRuleError::Wildcards("*.*".into())));
        let none = CORSRule {
            allowed_methods: vec![],
            ..rule("*", "GET")
        };
        assert_eq!(read(&[none]), Err(CorsRuleError::Nothing));
    }
}
