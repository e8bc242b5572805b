//! What the `Host` header means.
//!
//! | host | meaning |
//! |---|---|
//! | an IP address, `localhost`, an unknown host, `s3.<domain>` | path style: `/bucket/key` |
//! | `<bucket>.s3.<domain>` | virtual host: `/key` |
//! | `<bucket>.<namespace>.s3.<domain>` | the bucket's endpoint, path style: `/bucket/key` |
//! | `<bucket>.<bucket>.<namespace>.s3.<domain>` | virtual host of a client that was given the endpoint |
//! | `s3-api.<domain>` | the REST API |

use std::net::{IpAddr, SocketAddr};

/// What a host means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressing {
    /// The bucket is the first segment of the path.
    Path,
    /// The bucket is in the host, and the path is the key.
    VirtualHost {
        /// The bucket.
        bucket: String,
        /// The namespace, if the host names one: it must be the bucket's own.
        namespace: Option<String>,
    },
    /// The endpoint of one bucket: path style, and no other bucket is behind it.
    Endpoint {
        /// The bucket.
        bucket: String,
        /// The namespace: it must be the bucket's own.
        namespace: String,
    },
    /// The REST API.
    Api,
}

/// Why a host means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// More labels than any form has.
    #[error(
        "the host {0} is neither <bucket>.s3.<domain> nor <bucket>.<namespace>.s3.<domain>; \
         a bucket whose name has dots is reached in path style at s3.<domain>/<bucket>"
    )]
    Labels(String),
    /// A label has no characters.
    #[error("the host {0} has an empty label")]
    EmptyLabel(String),
}

/// Reads hosts of one domain.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// `.<domain>`, in lower case.
    suffix: String,
}

impl Hosts {
    /// Reads hosts of `domain`, such as `example.org`.
    pub fn new(domain: &str) -> Self {
        Self {
            suffix: format!(".{}", domain.trim_matches('.').to_ascii_lowercase()),
        }
    }

    /// What `host` means; its port is ignored.
    pub fn read(&self, host: &str) -> Result<Addressing, HostError> {
        if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
            return Ok(Addressing::Path);
        }
        let name = without_port(host).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let Some(rest) = name.strip_suffix(&self.suffix) else {
            return Ok(Addressing::Path);
        };
        match rest {
            "s3" => return Ok(Addressing::Path),
            "s3-api" => return Ok(Addressing::Api),
            _ => {}
        }
        let Some(labels) = rest.strip_suffix(".s3") else {
            return Ok(Addressing::Path);
        };
        let labels: Vec<&str> = labels.split('.').collect();
        if labels.iter().any(|label| label.is_empty()) {
            return Err(HostError::EmptyLabel(host.to_owned()));
        }
        match labels[..] {
            [bucket] => Ok(Addressing::VirtualHost {
                bucket: bucket.to_owned(),
                namespace: None,
            }),
            [bucket, namespace] => Ok(Addressing::Endpoint {
                bucket: bucket.to_owned(),
                namespace: namespace.to_owned(),
            }),
            [bucket, endpoint, namespace] if bucket == endpoint => Ok(Addressing::VirtualHost {
                bucket: bucket.to_owned(),
                namespace: Some(namespace.to_owned()),
            }),
            _ => Err(HostError::Labels(host.to_owned())),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn virtual_host(bucket: &str, namespace: Option<&str>) -> Addressing {
        let namespace = namespace.map(str::to_owned);
        Addressing::VirtualHost {
            bucket: bucket.to_owned(),
            namespace,
        }
    }

    #[test]
    fn each_form_is_told_apart() {
        let hosts = Hosts::new("Example.org");
        let read = |host: &str| hosts.read(host);
        for path in [
            "127.0.0.1",
            "127.0.0.1:9000",
            "[::1]:9000",
            "::1",
            "localhost",
            "localhost:9000",
            "example.org",
            "other.net:80",
            "s3.example.org",
            "S3.EXAMPLE.ORG.:443",
            "",
            "a.example.org",
        ] {
            assert_eq!(read(path), Ok(Addressing::Path), "{path}");
        }
        assert_eq!(read("s3-api.example.org:9000"), Ok(Addressing::Api));
        assert_eq!(read("b.s3.example.org"), Ok(virtual_host("b", None)));
        let endpoint = Addressing::Endpoint {
            bucket: "b".into(),
            namespace: "ns".into(),
        };
        assert_eq!(read("B.ns.s3.example.org:9000"), Ok(endpoint));
        assert_eq!(
            read("b.b.ns.s3.example.org"),
            Ok(virtual_host("b", Some("ns")))
        );
        assert!(matches!(
            read("a.b.ns.s3.example.org"),
            Err(HostError::Labels(_))
        ));
        assert!(matches!(
            read("a.b.c.d.s3.example.org"),
            Err(HostError::Labels(_))
        ));
        assert!(matches!(
            read("a..s3.example.org"),
            Err(HostError::EmptyLabel(_))
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(host in ".{0,80}") {
            let _ = Hosts::new("localhost").read(&host);
        }

        #[test]
        fn the_port_changes_nothing(
            labels in proptest::collection::vec("[a-z0-9-]{1,8}", 0..5),
            port in 0u16..,
        ) {
            let hosts = Hosts::new("localhost");
            let host = [&labels.join("."), ".s3.localhost"].concat();
            prop_assert_eq!(
                hosts.read(&host).ok(),
                hosts.read(&format!("{host}:{port}")).ok()
            );
        }
    }
}
