//! Which bucket or node a request is about.

use std::borrow::Cow;

use http::request::Parts;
use percent_encoding::percent_decode_str;
use s3d_front::{Addressing, Hosts, bucket_name, host};

use crate::label::Service;

/// The name of the bucket that a request is about, if it is about one; it may be no name at all.
pub fn bucket_of(hosts: &Hosts, service: Service, parts: &Parts) -> Option<String> {
    match service {
        Service::S3 => {}
        Service::Api => return bucket_of_call(parts.uri.path()),
        Service::Node => return None,
    }
    match hosts.read(host(parts)) {
        Ok(Addressing::Api) => bucket_of_call(parts.uri.path()),
        Ok(addressing) => bucket_name(&parts.uri, &addressing).and_then(decoded),
        Err(_) => None,
    }
}

/// The name of the node whose disks a request is about, if it is about any: that node alone knows them.
pub fn node_of(hosts: &Hosts, service: Service, parts: &Parts) -> Option<String> {
    let is_call = match service {
        Service::S3 => matches!(hosts.read(host(parts)), Ok(Addressing::Api)),
        Service::Api => true,
        Service::Node => false,
    };
    let path = parts.uri.path().strip_prefix("/api/v1/nodes/")?;
    let (name, rest) = path.split_once('/')?;
    let of_disks = rest == "disks" || rest.starts_with("disks/");
    (is_call && of_disks).then(|| decoded(name))?
}

/// The bucket of a call of the REST API.
fn bucket_of_call(path: &str) -> Option<String> {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let name = path.strip_prefix("/buckets/")?.split('/').next()?;
    decoded(name)
}

fn decoded(name: &str) -> Option<String> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    (!name.is_empty()).then(|| Cow::into_owned(name))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(service: Service, host: &str, target: &str) -> Option<String> {
        let request = Request::get(target).header("host", host).body(()).unwrap();
        bucket_of(&Hosts::new("example.org"), service, &request.into_parts().0)
    }

    #[test]
    fn s3_names_buckets_in_hosts_and_paths() {
        let of = |host, target| of(Service::S3, host, target);
        let b = Some("b".to_owned());
        assert_eq!(of("s3.example.org", "/b/k?x"), b);
        assert_eq!(of("192.0.2.1:9000", "/%62/k"), b);
        assert_eq!(of("b.s3.example.org", "/k"), b);
        assert_eq!(of("b.n.s3.example.org:443", "/b/k"), b);
        assert_eq!(of("s3.example.org", "/"), None);
        assert_eq!(of("a..s3.example.org", "/b"), None);
        assert_eq!(of("s3-api.example.org", "/api/v1/buckets/b"), b);
        assert_eq!(of("s3-api.example.org", "/b"), None);
    }

    #[test]
    fn calls_name_buckets_in_paths() {
        let of = |target| of(Service::Api, "s3.example.org", target);
        let b = Some("b".to_owned());
        assert_eq!(of("/api/v1/buckets/b"), b);
        assert_eq!(of("/api/v1/buckets/b/changes?after=1"), b);
        assert_eq!(of("/buckets/b"), b);
        for other in [
            "/api/v1/buckets",
            "/api/v1/keys/b",
            "/",
            "/buckets/",
            "/readyz",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn calls_about_disks_name_their_node() {
        let of = |service, host, target: &str| {
            let request = Request::get(target).header("host", host).body(()).unwrap();
            node_of(&Hosts::new("example.org"), service, &request.into_parts().0)
        };
        let api = |target| of(Service::Api, "192.0.2.1:9001", target);
        let node = Some("node-2".to_owned());
        assert_eq!(api("/api/v1/nodes/node-2/disks"), node);
        assert_eq!(api("/api/v1/nodes/node%2d2/disks/d/drain?x"), node);
        for other in [
            "/api/v1/nodes/node-2",
            "/api/v1/nodes/node-2/drain",
            "/api/v1/nodes//disks",
            "/api/v1/rack",
        ] {
            assert_eq!(api(other), None, "{other}");
        }
        let target = "/api/v1/nodes/node-2/disks";
        assert_eq!(of(Service::S3, "s3-api.example.org", target), node);
        assert_eq!(of(Service::S3, "s3.example.org", target), None);
    }
}
