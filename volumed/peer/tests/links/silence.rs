//! Nodes that say nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use volumed_core::wire::HEADER_SIZE;
use volumed_peer::{Hello, Security, Settings, Times};

use crate::heads::Event;
use crate::proxy::Proxy;
use crate::replicas::Mode;
use crate::rig::{HEADS, REPLICAS, SETTINGS, call, host, identity, loopback, soon, write};

/// Soon impatient.
const IMPATIENT: Settings = Settings {
    times: Times {
        ping: Duration::from_millis(100),
        silence: Duration::from_millis(500),
        ..SETTINGS.times
    },
    ..SETTINGS
};

#[tokio::test]
async fn both_sides_notice_that_the_network_died() {
    let hosting = host(Security::Loopback, IMPATIENT, Mode::Held).await;
    let proxy = Proxy::start(hosting.address, [u64::MAX; 2]).await;
    let calling = call(Security::Loopback, IMPATIENT);
    calling.link(proxy.address).await;
    assert!(calling.send(write(1, 1, 10)));
    hosting.replicas.until_asked(1).await;
    proxy.die();
    calling.heads.until_lost().await;
    assert_eq!(calling.heads.lost().len(), 1);
    hosting.replicas.until_ended(1).await;
}

#[tokio::test]
async fn sides_that_have_nothing_to_say_ping() {
    let pinging = Settings {
        times: Times {
            ping: Duration::from_millis(20),
            ..SETTINGS.times
        },
        ..SETTINGS
    };
    let hosting = host(Security::Loopback, pinging, Mode::Inline).await;
    let proxy = Proxy::start(hosting.address, [u64::MAX; 2]).await;
    let calling = call(Security::Loopback, pinging);
    calling.link(proxy.address).await;
    let hello = Hello::of(identity(HEADS)).encode().len();
    let pings = (hello + 10 * HEADER_SIZE) as u64;
    let enough = async {
        while proxy.passed().into_iter().any(|passed| passed < pings) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(enough).await;
    assert_eq!(calling.heads.events(), [Event::Reached]);
    assert!(hosting.replicas.messages().is_empty());
}

#[tokio::test]
async fn replicas_that_say_nothing_behind_their_hello_are_left() {
    let socket = loopback().await;
    let calling = call(Security::Loopback, IMPATIENT);
    calling
        .peers
        .know(REPLICAS, vec![socket.local_addr().unwrap()]);
    let (mut mute, _) = socket.accept().await.unwrap();
    let hello = Hello::of(identity(REPLICAS)).encode();
    mute.write_all(&hello).await.unwrap();
    calling.until_down("nothing was heard").await;
    assert_eq!(
        calling.heads.events(),
        [Event::Reached, Event::Lost(vec![])]
    );
}

#[tokio::test]
async fn heads_that_say_nothing_behind_their_hello_are_left() {
    let hosting = host(Security::Loopback, IMPATIENT, Mode::Inline).await;
    let mut mute = TcpStream::connect(hosting.address).await.unwrap();
    let hello = Hello::of(identity(HEADS)).encode();
    mute.write_all(&hello).await.unwrap();
    hosting.replicas.until_ended(1).await;
    let mut said = Vec::new();
    soon(mute.read_to_end(&mut said)).await.unwrap();
    assert!(said.starts_with(&Hello::of(identity(REPLICAS)).encode()));
}

#[tokio::test]
async fn who_does_not_say_who_it_is_is_left() {
    let settings = Settings {
        times: Times {
            hello: Duration::from_millis(100),
            ..SETTINGS.times
        },
        ..SETTINGS
    };
    let hosting = host(Security::Loopback, settings, Mode::Inline).await;
    let mut mute = TcpStream::connect(hosting.address).await.unwrap();
    let mut said = Vec::new();
    soon(mute.read_to_end(&mut said)).await.unwrap();
    assert!(said.is_empty());
    let socket = loopback().await;
    let calling = call(Security::Loopback, settings);
    calling
        .peers
        .know(REPLICAS, vec![socket.local_addr().unwrap()]);
    calling.until_down("did not say in time").await;
}
