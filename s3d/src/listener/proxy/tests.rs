use ppp::v2::{Builder, Command, Protocol, Type, Version};
use proptest::prelude::*;
use tokio::runtime::Builder as RuntimeBuilder;

use super::*;

const PROXY: &str = "10.77.0.1:40000";
const NEXT: &[u8] = b"GET / HTTP/1.1\r\n";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What a stream of these bytes says, and how many of them are left.
fn read(mut bytes: &[u8]) -> (Result<Origin, HeaderError>, usize) {
    let runtime = RuntimeBuilder::new_current_thread().build().unwrap();
    let read = runtime.block_on(read_header(&mut bytes, address(PROXY)));
    (read, bytes.len())
}

/// The origin of a header with a request behind it, of which nothing may be read.
fn origin(header: &[u8]) -> Origin {
    let (origin, left) = read(&[header, NEXT].concat());
    assert_eq!(left, NEXT.len());
    origin.unwrap()
}

fn version_2(command: Command, client: &str) -> Builder {
    let client = address(client);
    let server = if client.is_ipv4() {
        "127.0.0.1:443"
    } else {
        "[::1]:443"
    };
    let addresses = (client, address(server));
    Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses)
}

#[test]
fn both_versions_name_the_client() {
    for client in ["192.0.2.7:50000", "[2001:db8::7]:50000"] {
        let address = address(client);
        let family = if address.is_ipv4() { "TCP4" } else { "TCP6" };
        let (ip, to) = (
            address.ip(),
            if address.is_ipv4() {
                "127.0.0.1"
            } else {
                "::1"
            },
        );
        let line = format!("PROXY {family} {ip} {to} 50000 443\r\n");
        let bytes = version_2(Command::Proxy, client).build().unwrap();
        let expected = Origin { address, tls: None };
        assert_eq!(origin(line.as_bytes()), expected);
        assert_eq!(origin(&bytes), expected);
    }
}

#[test]
fn what_is_the_proxys_own_has_its_address() {
    let local = version_2(Command::Local, "192.0.2.7:1").build().unwrap();
    for header in [&b"PROXY UNKNOWN\r\n"[..], &local] {
        assert_eq!(origin(header).address, address(PROXY));
    }
}

#[test]
fn a_client_of_ipv4_has_one_address() {
    let header = version_2(Command::Proxy, "[::ffff:192.0.2.7]:50000")
        .build()
        .unwrap();
    assert_eq!(origin(&header).address, address("192.0.2.7:50000"));
}

#[test]
fn tls_that_ends_at_the_proxy_is_known() {
    for (name, version) in [
        ("TLSv1.3", Some("1.3")),
        ("TLSv1.2", Some("1.2")),
        ("SSLv3", None),
    ] {
        let mut tls = vec![1, 0, 0, 0, 0, Type::SSLVersion as u8, 0, name.len() as u8];
        tls.extend(name.as_bytes());
        let header = version_2(Command::Proxy, "192.0.2.7:1").write_tlv(Type::SSL, &tls);
        let header = header.unwrap().build().unwrap();
        assert_eq!(origin(&header).tls, version.map(TlsVersion));
    }
}

#[test]
fn a_connection_without_a_header_is_refused() {
    let (refused, _) = read(NEXT);
    assert!(matches!(refused, Err(HeaderError::Missing)), "{refused:?}");
    let sentence = refused.unwrap_err().to_string();
    assert!(sentence.contains("send-proxy-v2"), "{sentence}");
    let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 7][..], &[0; 400]].concat();
    assert!(matches!(read(&hello).0, Err(HeaderError::Missing)));
}

#[test]
fn headers_that_never_end_are_refused() {
    let line = format!("PROXY TCP4 {}", "1".repeat(500));
    let bytes = [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff], &[0; 5_000]].concat();
    for header in [line.as_bytes(), &bytes] {
        let (refused, left) = read(header);
        assert!(matches!(refused, Err(HeaderError::TooLong)), "{refused:?}");
        assert!(left > 0);
    }
}

#[test]
fn networks_are_written_as_addresses_too() {
    let proxies: Proxies = ["10.77.0.1", "2001:db8::/64"]
        .map(|text| network(text).unwrap())
        .into_iter()
        .collect();
    let is_proxy = |text: &str| proxies.contain(text.parse().unwrap());
    assert!(is_proxy("10.77.0.1") && is_proxy("::ffff:10.77.0.1") && is_proxy("2001:db8::7"));
    assert!(!is_proxy("10.77.0.2") && !is_proxy("2001:db8:1::7"));
    assert!(!Proxies::default().contain("10.77.0.1".parse().unwrap()));
    let sentence = network("router").unwrap_err().to_string();
    assert!(sentence.contains("\"router\" is no network"), "{sentence}");
}

/// Bytes that begin as a header of either version.
fn nearly_a_header() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just(Vec::new()),
        Just(b"PROXY TCP4 ".to_vec()),
        Just([&SIGNATURE[..], &[0x21, 0x11, 0]].concat()),
        Just([&SIGNATURE[..], &[0x21, 0x21, 0]].concat()),
    ];
    (start, proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(start, rest)| [start, rest].concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in nearly_a_header()) {
        let (_, left) = read(&bytes);
        prop_assert!(left <= bytes.len());
    }

    #[test]
    fn a_client_is_read_as_it_was_written(ip in any::<std::net::Ipv4Addr>(), port: u16, cut in 0_usize..28) {
        let address = SocketAddr::from((ip, port));
        let header = version_2(Command::Proxy, &address.to_string()).build().unwrap();
        prop_assert_eq!(origin(&header), Origin { address, tls: None });
        // A header that ends too early is none.
        prop_assert!(matches!(read(&header[..cut]).0, Err(HeaderError::Broken(_))));
    }
}
