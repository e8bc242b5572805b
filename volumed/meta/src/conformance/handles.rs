//! Several handles of one store, as several processes have them.

use super::{Backend, Store, absent, commit, event, next, open, put};
use crate::{Compare, Outcome};

pub async fn two_handles_see_each_other(backend: &impl Backend) {
    let (one, two) = (open(backend).await, open(backend).await);
    let start = one.revision().await.unwrap();
    let mut events = two.watch(b"", start).await.unwrap();
    commit(&one, vec![put("a", "1")]).await;
    assert_eq!(next(&mut events).await, event(start + 1, "a", Some("1")));
    assert_eq!(two.get(b"a").await.unwrap().unwrap().value, b"1");
    let rounds = |store: Store| {
        tokio::spawn(async move {
            for _ in 0..100 {
                increment(&store).await;
            }
        })
    };
    let (first, second) = (rounds(one.clone()), rounds(two.clone()));
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(one.get(b"n").await.unwrap().unwrap().value, b"200");
    assert_eq!(one.revision().await.unwrap(), start + 201);
}

async fn increment(store: &Store) {
    loop {
        let (compare, value) = match store.get(b"n").await.unwrap() {
            None => (absent("n"), 0),
            Some(entry) => {
                let value: u32 = String::from_utf8(entry.value).unwrap().parse().unwrap();
                (Compare::Unchanged(b"n".to_vec(), entry.modified), value)
            }
        };
        let change = put("n", &(value + 1).to_string());
        if store.transact(vec![compare], vec![change]).await.unwrap() != Outcome::Refused {
            return;
        }
    }
}

pub async fn everything_is_there_after_reopening(backend: &impl Backend) {
    let first = open(backend).await;
    let made = commit(&first, vec![put("a", "1")]).await;
    drop(first);
    let again = open(backend).await;
    assert_eq!(again.revision().await.unwrap(), made);
    assert_eq!(again.get(b"a").await.unwrap().unwrap().value, b"1");
}
