//! Who signed the policy of a form.

use s3d_accounts::Accounts;
use s3s::{S3Error, S3Result};

use super::FormError;
use super::fields::Fields;
use crate::context::Signer;
use crate::error;
use crate::refusal::Refusal;
use crate::signature::key::SigningKey;
use crate::signature::time::SigningTime;
use crate::signature::{SignatureError, VERSION2, VERSION4, credential_of, version2};

/// A signed policy.
struct Claim<'f> {
    access_key_id: &'f str,
    policy: &'f str,
    signature: Signature<'f>,
}

enum Signature<'f> {
    /// AWS Signature Version 4: HMAC-SHA256 with a key derived for a scope.
    Four { scope: &'f str, signature: &'f str },
    /// Version 2: HMAC-SHA1 with the secret. Many libraries still sign forms so.
    Two { signature: &'f str },
}

/// Finds out who signed a form's policy; `None` if it has none.
pub async fn authenticate(accounts: &Accounts, fields: &Fields) -> S3Result<Option<Signer>> {
    let Some(claim) = Claim::read(fields)? else {
        return Ok(None);
    };
    let key = accounts.key(claim.access_key_id).await;
    let key = key.map_err(error::accounts)?.ok_or(Refusal::UnknownKey)?;
    if claim.verifies(&key.secret) {
        let algorithm = match claim.signature {
            Signature::Four { .. } => VERSION4,
            Signature::Two { .. } => VERSION2,
        };
        Ok(Some(Signer {
            key,
            seed: None,
            presigned: false,
            algorithm,
            signed_at: None,
        }))
    } else {
        Err(SignatureError::Mismatch.into())
    }
}

impl<'f> Claim<'f> {
    fn read(fields: &'f Fields) -> Result<Option<Self>, S3Error> {
        let field = |name| fields.get(name).ok_or(FormError::Missing(name));
        let Some(policy) = fields.get("policy") else {
            return Ok(None);
        };
        if fields.get("awsaccesskeyid").is_some() {
            return Ok(Some(Self {
                access_key_id: field("awsaccesskeyid")?,
                policy,
                signature: Signature::Two {
                    signature: field("signature")?,
                },
            }));
        }
        if field("x-amz-algorithm")? != VERSION4 {
            return Err(SignatureError::Query("x-amz-algorithm").into());
        }
        let time = SigningTime::parse(field("x-amz-date")?);
        let time = time.ok_or(SignatureError::Query("x-amz-date"))?;
        let credential = credential_of(field("x-amz-credential")?);
        let (access_key_id, scope) = credential
            .filter(|(_, scope)| scope.starts_with(time.day()))
            .ok_or(SignatureError::Query("x-amz-credential"))?;
        Ok(Some(Self {
            access_key_id,
            policy,
            signature: Signature::Four {
                scope,
                signature: field("x-amz-signature")?,
            },
        }))
    }

    fn verifies(&self, secret: &str) -> bool {
        let policy = self.policy.as_bytes();
        match self.signature {
            Signature::Four { scope, signature } => {
                SigningKey::derive(secret, scope).verifies(policy, signature)
            }
            Signature::Two { signature } => version2::verifies(secret, policy, signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.add(name, (*value).to_owned());
        }
        fields
    }

    #[test]
    fn version_2_signs_with_hmac_sha1() {
        // printf policy | openssl dgst -sha1 -hmac secret -binary | base64
        let signed = fields(&[
            ("policy", "policy"),
            ("AWSAccessKeyId", "KEY"),
            ("signature", "DQYKsMXInaBeQ2OuQ0nMglptC1c="),
        ]);
        let claim = Claim::read(&signed).expect("well-formed").expect("signed");
        assert_eq!(claim.access_key_id, "KEY");
        assert!(claim.verifies("secret") && !claim.verifies("other"));
    }

    #[test]
    fn version_4_signs_for_a_scope() {
        let scope = "20260101/us-east-1/s3/aws4_request";
        let signature = SigningKey::derive("secret", scope).sign(b"policy");
        let credential = format!("KEY/{scope}");
        let mut pairs = [
            ("policy", "policy"),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", "20260101T000000Z"),
            ("x-amz-signature", &signature),
        ];
        let signed = fields(&pairs);
        let claim = Claim::read(&signed).expect("well-formed").expect("signed");
        assert!(claim.verifies("secret") && !claim.verifies("other"));
        pairs[3].1 = "20260102T000000Z";
        assert!(Claim::read(&fields(&pairs)).is_err());
        assert!(Claim::read(&fields(&pairs[..1])).is_err());
        assert!(Claim::read(&fields(&[("key", "a")])).is_ok_and(|claim| claim.is_none()));
    }
}
