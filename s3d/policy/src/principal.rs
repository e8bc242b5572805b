//! Whom a statement is about.

use s3d_names::NamespaceName;

use crate::error::PolicyError;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Requester<'a> {
    /// The namespace of the key that signed; `None` if nobody signed.
    pub namespace: Option<&'a NamespaceName>,
    /// Whether the key may act in its namespace's name on this bucket. What a policy allows the
    /// namespace, another of its keys may not; what it denies the namespace, none of them may.
    pub acts_for_namespace: bool,
}

/// Some principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals(Vec<Principal>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    Everyone,
    Namespace(String),
    CanonicalId(String),
}

impl Principals {
    /// `"Principal": "*"`.
    pub fn everyone() -> Self {
        Self(vec![Principal::Everyone])
    }

    /// Reads the principals of each type, such as `AWS`.
    pub fn read(types: &[(String, Vec<String>)]) -> Result<Self, PolicyError> {
        let mut principals = Vec::new();
        for (kind, names) in types {
            for name in names {
                let principal = match kind.as_str() {
                    "AWS" => Principal::read(name),
                    "CanonicalUser" => Some(Principal::CanonicalId(name.clone())),
                    _ => None,
                };
                let refusal = || PolicyError::Principal(format!("{kind} {name}"));
                principals.push(principal.ok_or_else(refusal)?);
            }
        }
        if principals.is_empty() {
            return Err(PolicyError::Either("Principal"));
        }
        Ok(Self(principals))
    }

    /// Whether everyone is among them.
    pub fn include_everyone(&self) -> bool {
        self.0.contains(&Principal::Everyone)
    }

    /// Whether the requester is among them: by its namespace only if it acts in its name.
    pub fn allow(&self, who: Requester<'_>) -> bool {
        let namespace = who.namespace.filter(|_| who.acts_for_namespace);
        self.0.iter().any(|it| it.is(namespace))
    }

    /// Whether the requester is among them, by whatever key of its namespace.
    pub fn concern(&self, who: Requester<'_>) -> bool {
        self.0.iter().any(|it| it.is(who.namespace))
    }
}

impl Principal {
    fn read(name: &str) -> Option<Self> {
        if name == "*" {
            return Some(Self::Everyone);
        }
        let account = match name.strip_prefix("arn:") {
            None => name,
            Some(rest) => {
                let (partition, rest) = rest.split_once(':')?;
                let is_aws = partition == "aws" || partition.starts_with("aws-");
                rest.strip_prefix("iam::")?
                    .strip_suffix(":root")
                    .filter(|_| is_aws)?
            }
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let named = !account.is_empty() && account.bytes().all(plain);
        named.then(|| Self::Namespace(account.to_owned()))
    }

    fn is(&self, namespace: Option<&NamespaceName>) -> bool {
        match (self, namespace) {
            (Self::Everyone, _) => true,
            (Self::Namespace(name), Some(namespace)) => name == namespace.as_str(),
            (Self::CanonicalId(id), Some(namespace)) => *id == namespace.canonical_id(),
            (Self::Namespace(_) | Self::CanonicalId(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, name: &str) -> Result<Principals, PolicyError> {
        Principals::read(&[(kind.to_owned(), vec![name.to_owned()])])
    }

    #[test]
    fn a_namespace_is_named_in_three_ways() {
        let ours = NamespaceName::new("ours").expect("a name");
        let theirs = NamespaceName::new("theirs").expect("a name");
        let key = |namespace, acts_for_namespace| Requester {
            namespace: Some(namespace),
            acts_for_namespace,
        };
        let nobody = Requester {
            namespace: None,
            acts_for_namespace: false,
        };
        for (kind, name) in [
            ("AWS", "ours"),
            ("AWS", "arn:aws:iam::ours:root"),
            ("CanonicalUser", &ours.canonical_id()),
        ] {
            let principals = read(kind, name).expect("a principal");
            assert!(principals.allow(key(&ours, true)), "{name}");
            assert!(!principals.allow(key(&ours, false)), "{name}");
            assert!(principals.concern(key(&ours, false)), "{name}");
            assert!(!principals.concern(key(&theirs, true)), "{name}");
            assert!(!principals.concern(nobody), "{name}");
        }
        let everyone = read("AWS", "*").expect("everyone");
        assert!(everyone.allow(nobody) && everyone.include_everyone());
    }

    #[test]
    fn what_names_nobody_here_is_refused() {
        for (kind, name) in [
            ("Service", "cloudtrail.amazonaws.com"),
            ("Federated", "x"),
            ("AWS", ""),
            ("AWS", "arn:aws:iam::ours:user/x"),
            ("AWS", "arn:aws:s3:::bucket"),
            ("AWS", "ours*"),
        ] {
            let refused = read(kind, name);
            assert!(
                matches!(refused, Err(PolicyError::Principal(_))),
                "{kind} {name}"
            );
        }
        assert_eq!(
            Principals::read(&[("AWS".into(), vec![])]),
            Err(PolicyError::Either("Principal"))
        );
    }
}
