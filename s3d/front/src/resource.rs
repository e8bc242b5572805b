//! What a request is about.

use http::uri::Uri;
use percent_encoding::percent_decode_str;

use crate::host::Addressing;
use crate::refusal::Refusal;

/// What kind of resource a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// The list of buckets.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

impl ResourceKind {
    /// What the path of a request names, as s3s will read it too.
    pub fn of(uri: &Uri, addressing: &Addressing) -> Result<Self, Refusal> {
        let path = uri.path();
        if path.contains("%00") {
            return Err(Refusal::Path);
        }
        let path = path.strip_prefix('/').ok_or(Refusal::Path)?;
        Ok(match (addressing, path.split_once('/')) {
            (Addressing::VirtualHost { .. }, _) if path.is_empty() => Self::Bucket,
            (Addressing::VirtualHost { .. }, _) => Self::Object,
            (_, _) if path.is_empty() => Self::Service,
            (_, None | Some((_, ""))) => Self::Bucket,
            (_, Some(_)) => Self::Object,
        })
    }
}

/// The name of the bucket that a request is about, if it is about one.
pub fn bucket_name<'r>(uri: &'r Uri, addressing: &'r Addressing) -> Option<&'r str> {
    let name = match addressing {
        Addressing::VirtualHost { bucket, .. } => bucket,
        _ => uri.path().split('/').nth(1).unwrap_or_default(),
    };
    (!name.is_empty()).then_some(name)
}

/// The key of the object that a request is about.
pub fn object_key(uri: &Uri, addressing: &Addressing) -> Result<String, Refusal> {
    let path = uri.path().strip_prefix('/').ok_or(Refusal::Path)?;
    let key = match addressing {
        Addressing::VirtualHost { .. } => path,
        _ => path.split_once('/').ok_or(Refusal::Path)?.1,
    };
    let key = percent_decode_str(key).decode_utf8();
    Ok(key.map_err(|_| Refusal::Path)?.into_owned())
}

/// Behind the endpoint of a bucket there is no other. A client in virtual-host style, which sends
/// the key alone, would otherwise be told of a bucket that it never meant.
pub fn check_endpoint(uri: &Uri, addressing: &Addressing) -> Result<(), Refusal> {
    match (addressing, bucket_name(uri, addressing)) {
        (Addressing::Endpoint { bucket, .. }, Some(named)) if named != bucket => {
            let endpoint = bucket.clone();
            Err(Refusal::OtherBucket { endpoint })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn virtual_host() -> Addressing {
        Addressing::VirtualHost {
            bucket: "b".into(),
            namespace: None,
        }
    }

    #[test]
    fn paths_name_resources() {
        let of = |path: &str, addressing: &Addressing| {
            let uri = path.parse().expect("a path");
            let kind = ResourceKind::of(&uri, addressing).expect("a resource");
            (kind, bucket_name(&uri, addressing).map(str::to_owned))
        };
        let b = Some("b".to_owned());
        let path = Addressing::Path;
        assert_eq!(of("/", &path), (ResourceKind::Service, None));
        assert_eq!(of("/b?acl", &path), (ResourceKind::Bucket, b.clone()));
        assert_eq!(of("/b/", &path), (ResourceKind::Bucket, b.clone()));
        assert_eq!(of("/b/k/l", &path), (ResourceKind::Object, b.clone()));
        assert_eq!(of("/", &virtual_host()), (ResourceKind::Bucket, b.clone()));
        assert_eq!(of("/k", &virtual_host()), (ResourceKind::Object, b));
        let nul = ResourceKind::of(&"/b/%00".parse().expect("a path"), &path);
        assert_eq!(nul, Err(Refusal::Path));
    }

    #[test]
    fn keys_are_decoded() {
        let of = |path: &str, addressing: &Addressing| {
            object_key(&path.parse().expect("a path"), addressing)
        };
        let path = Addressing::Path;
        assert_eq!(of("/b/a%20b/c%2Bd+e?x", &path), Ok("a b/c+d+e".into()));
        assert_eq!(of("/k/l", &virtual_host()), Ok("k/l".into()));
        assert_eq!(of("/b/%FF", &path), Err(Refusal::Path));
        assert_eq!(of("/b", &path), Err(Refusal::Path));
    }

    #[test]
    fn an_endpoint_has_one_bucket() {
        let endpoint = Addressing::Endpoint {
            bucket: "b".into(),
            namespace: "n".into(),
        };
        let check = |path: &str| check_endpoint(&path.parse().expect("a path"), &endpoint);
        assert_eq!(check("/"), Ok(()));
        assert_eq!(check("/b/k"), Ok(()));
        let refusal = Refusal::OtherBucket {
            endpoint: "b".into(),
        };
        assert_eq!(check("/k"), Err(refusal));
    }
}
