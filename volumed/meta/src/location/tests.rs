use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Location, LocationError> {
    text.parse()
}

fn etcd(endpoints: &[&str], name: &str) -> Location {
    Location::Etcd(EtcdLocation {
        endpoints: endpoints.iter().map(ToString::to_string).collect(),
        finder: None,
        name: name.to_owned(),
        tls: None,
    })
}

#[test]
fn a_path_is_a_file_and_an_address_an_etcd() {
    let path = "/srv/hayrack/meta.db";
    assert_eq!(parse(path), Ok(Location::File(path.into())));
    assert_eq!(parse("meta.db"), Ok(Location::File("meta.db".into())));
    let members = parse("etcd://10.0.0.1:2379,node-2,[fd00::3]:4001");
    let expected = ["10.0.0.1:2379", "node-2:2379", "[fd00::3]:4001"];
    assert_eq!(members, Ok(etcd(&expected, "hayrack")));
    let named = parse("etcd://localhost:1/second");
    assert_eq!(named, Ok(etcd(&["localhost:1"], "second")));
}

#[test]
fn what_names_no_store_is_refused_with_what_to_write() {
    assert_eq!(parse(""), Err(LocationError::Empty));
    for text in ["http://10.0.0.1:2379", "https://etcd", "sqlite:///a"] {
        assert_eq!(parse(text), Err(LocationError::OtherScheme(text.into())));
    }
    for endpoint in [
        "",
        "a b",
        "host:",
        "host:x",
        "host:70000",
        "host:0",
        "me@host",
        ":1",
        "fd00::3",
    ] {
        let refused = parse(&format!("etcd://{endpoint}"));
        assert_eq!(refused, Err(LocationError::Endpoint(endpoint.into())));
        let refused = parse(&format!("etcd://host:1,{endpoint}"));
        assert_eq!(refused, Err(LocationError::Endpoint(endpoint.into())));
    }
    for name in ["", "a/b", "a b", "ä"] {
        let refused = parse(&format!("etcd://host/{name}"));
        assert_eq!(refused, Err(LocationError::Name(name.into())));
    }
}

#[test]
fn tls_files_come_all_or_none_and_for_etcd_alone() {
    let file = |name: &str| Some(PathBuf::from(name));
    let all = || (file("ca"), file("crt"), file("key"));
    let members = etcd(&["host:1"], "hayrack");
    let with = members.clone().with_tls(all()).unwrap();
    let Location::Etcd(EtcdLocation { tls: Some(tls), .. }) = &with else {
        panic!("{with:?}");
    };
    assert_eq!(tls.key, PathBuf::from("key"));
    let without = members.clone().with_tls((None, None, None));
    assert_eq!(without, Ok(members.clone()));
    for some in [(file("ca"), None, None), (None, file("crt"), file("key"))] {
        let refused = members.clone().with_tls(some);
        assert_eq!(refused, Err(LocationError::TlsIncomplete));
    }
    let refused = Location::File("meta.db".into()).with_tls(all());
    assert_eq!(refused, Err(LocationError::TlsWithoutEtcd));
    let moved = with.try_map_paths(|path| Ok::<_, ()>(Path::new("/etc").join(path)));
    let Ok(Location::Etcd(EtcdLocation { tls: Some(tls), .. })) = moved else {
        panic!("{moved:?}");
    };
    assert_eq!(tls.ca, PathBuf::from("/etc/ca"));
}

#[test]
fn only_loopback_is_this_machine() {
    for (text, leaves) in [
        ("127.0.0.1:1,[::1]:2,localhost:3", false),
        ("127.0.0.1:1,10.0.0.1:2379", true),
        ("[fd00::1]:1", true),
        ("localhost.example.org", true),
    ] {
        let location: EtcdLocation = text.parse().unwrap();
        assert_eq!(location.leaves_this_machine(), leaves, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read_as_what_it_prints(text in "(etcd://)?[a-z0-9:/,.@\\[\\] _-]{0,30}") {
        if let Ok(location) = parse(&text) {
            prop_assert_eq!(parse(&location.to_string()), Ok(location));
        }
    }
}
