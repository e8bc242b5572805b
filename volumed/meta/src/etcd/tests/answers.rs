//! Answers that do not arrive, of a member that did what it was asked for.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};

use super::*;

/// Stands between a client and a member.
struct Between {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What the member answers is thrown away.
    Deaf,
    /// Every connection is closed, old and new.
    Closed,
}

impl Between {
    async fn start(member: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, states) = watch::channel(State::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let member = TcpStream::connect(&member).await.unwrap();
                tokio::spawn(carry(client, member, states.clone()));
            }
        });
        Self { address, state }
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn carry(mut client: TcpStream, mut member: TcpStream, mut state: watch::Receiver<State>) {
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut member) => return,
        _ = state.wait_for(|state| *state != State::Open) => {}
    }
    let (mut from_client, _to_client) = client.into_split();
    let (mut from_member, mut to_member) = member.into_split();
    let mut nobody = tokio::io::sink();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_member) => {}
        _ = tokio::io::copy(&mut from_member, &mut nobody) => {}
        _ = state.wait_for(|state| *state == State::Closed) => {}
    }
}

/// The store through what stands between, and behind it, in the order of the location, the member itself.
async fn store_through(between: &Between, cluster: &Cluster) -> EtcdStore {
    open(&format!("{},{}", between.address, cluster.endpoint(0))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_answer_is_lost_is_not_done_again() {
    let cluster = Cluster::start(1);
    let between = Between::start(cluster.endpoint(0)).await;
    let store = store_through(&between, &cluster).await;
    let direct = open(&cluster.endpoints()).await;
    let before = commit(&store, "before", "").await;
    between.set(State::Deaf);
    let until_done = async {
        while direct.get(b"once").await.unwrap().is_none() {
            sleep(Duration::from_millis(5)).await;
        }
        between.set(State::Closed);
    };
    let absent = vec![Compare::Absent(b"once".to_vec())];
    let (outcome, ()) = tokio::join!(store.transact(absent, put("once", "")), until_done);
    assert!(
        matches!(outcome, Err(StoreError::Unavailable(_))),
        "{outcome:?}"
    );
    let found = store.get(b"once").await.unwrap().unwrap();
    assert_eq!(found.modified, before + 1);
    assert_eq!(store.revision().await.unwrap(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_whose_answer_is_lost_is_asked_of_another_member() {
    let cluster = Cluster::start(1);
    let between = Between::start(cluster.endpoint(0)).await;
    let store = store_through(&between, &cluster).await;
    let made = commit(&store, "a", "").await;
    between.set(State::Deaf);
    assert_eq!(store.get(b"a").await.unwrap().unwrap().modified, made);
    // From then on that one is asked at once.
    let begun = Instant::now();
    for _ in 0..5 {
        commit(&store, "a", "").await;
    }
    assert!(begun.elapsed() < members::DEADLINE, "{:?}", begun.elapsed());
}
