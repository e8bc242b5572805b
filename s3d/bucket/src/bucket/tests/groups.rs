//! Groups that are on their way together.

use tokio::task::{JoinHandle, yield_now};

use super::*;
use crate::format::layout::{SEGMENT, SMALL_BODY};

const TURNS: usize = 50;

async fn start(device: &Arc<Sparse>) -> Arc<Bucket> {
    let options = Options {
        following: 1,
        ..Options::new(1)
    };
    let bucket = open_with(device, options).await;
    put(&bucket, "old", 100).await;
    Arc::new(bucket)
}

/// Lets every task go on for as long as it can.
async fn settle() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}

type Task = JoinHandle<Result<(), ChangeError>>;

fn begin_put(bucket: &Arc<Bucket>, name: &'static str, condition: Condition) -> Task {
    begin_put_of(100, bucket, name, condition)
}

fn begin_put_of(
    length: usize,
    bucket: &Arc<Bucket>,
    name: &'static str,
    condition: Condition,
) -> Task {
    let bucket = bucket.clone();
    tokio::spawn(async move {
        let mut writer = bucket.writer(Some(length as u64));
        writer.write(pattern(length)).await?;
        let body = writer.finish().await?;
        let stored = bucket.put(key(name), Attributes::default(), body, condition);
        stored.await.map(drop)
    })
}

fn begin_delete(bucket: &Arc<Bucket>, name: &'static str) -> Task {
    let bucket = bucket.clone();
    tokio::spawn(async move {
        let deleted = bucket.delete(key(name), Condition::default());
        deleted.await.map(drop)
    })
}

async fn is_there(bucket: &Bucket, name: &str) -> bool {
    bucket.find(&key(name)).await.unwrap().is_some()
}

/// Holds the next group back until the permit is given.
fn hold(device: &Sparse) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    *device.held.lock() = Some(gate.clone());
    gate
}

#[tokio::test(start_paused = true)]
async fn a_group_is_planned_on_those_on_their_way_and_answered_behind_them() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = start(&device).await;
    let gate = hold(&device);
    let written = device.durable.load(Ordering::Relaxed);
    let first = begin_put(&bucket, "a", Condition::default());
    settle().await;
    let second = begin_put(&bucket, "b", Condition::default());
    settle().await;
    assert_eq!(device.durable.load(Ordering::Relaxed), written + 1);
    // A third would be one too many, and waits.
    let third = begin_put(&bucket, "c", Condition::default());
    settle().await;
    assert_eq!(device.durable.load(Ordering::Relaxed), written + 1);
    for (name, task) in [("a", &first), ("b", &second), ("c", &third)] {
        assert!(!task.is_finished() && !is_there(&bucket, name).await);
    }
    gate.add_permits(1);
    for (name, task) in [("a", first), ("b", second), ("c", third)] {
        task.await.unwrap().unwrap();
        assert!(is_there(&bucket, name).await);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_a_group_whose_zeroes_lie_there() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = start(&device).await;
    // Behind a group that took none along, the next one begins where there are no zeroes.
    put(&bucket, "filling", SMALL_BODY).await;
    let gate = hold(&device);
    let written = device.durable.load(Ordering::Relaxed);
    let first = begin_put(&bucket, "a", Condition::default());
    settle().await;
    let second = begin_put(&bucket, "b", Condition::default());
    settle().await;
    assert_eq!(device.durable.load(Ordering::Relaxed), written);
    gate.add_permits(1);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(device.durable.load(Ordering::Relaxed), written + 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_rests_on_a_group_on_its_way_waits_for_it() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = start(&device).await;
    let gate = hold(&device);
    let first = begin_put(&bucket, "a", Condition::default());
    settle().await;
    let second = begin_put(&bucket, "a", Condition::absent());
    settle().await;
    assert!(!second.is_finished());
    gate.add_permits(1);
    first.await.unwrap().unwrap();
    let refused = second.await.unwrap();
    assert!(matches!(refused, Err(ChangeError::ConditionFailed(_))));
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_group_that_found_no_room_is_made_without_it() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = start(&device).await;
    let gate = hold(&device);
    let first = begin_put(&bucket, "a", Condition::default());
    settle().await;
    // These are written, and lie behind a gap in the log.
    let second = begin_delete(&bucket, "old");
    settle().await;
    let third = begin_put(&bucket, "a", Condition::absent());
    settle().await;
    device.full.store(true, Ordering::Relaxed);
    gate.add_permits(1);
    assert_eq!(first.await.unwrap(), Err(ChangeError::NoSpace));
    second.await.unwrap().unwrap();
    // The reserve that the deletion gave up is room for this one.
    third.await.unwrap().unwrap();
    let check = async |bucket: &Bucket| {
        assert!(is_there(bucket, "a").await && !is_there(bucket, "old").await);
        assert_eq!(bucket.totals().objects, 1);
    };
    check(&bucket).await;
    let copy = Arc::new(device.snapshot());
    check(&open_with(&copy, Options::new(2)).await).await;
    // What was on its way together did not keep later groups from it.
    put(&bucket, "b", 10).await;
    assert!(is_there(&bucket, "b").await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_on_a_group_that_got_no_place() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = start(&device).await;
    // Groups of large bodies, each of 17 blocks, until no further one fits the segment.
    for _ in 0..240 {
        put(&bucket, "filling", SMALL_BODY).await;
    }
    // The next segment lies beyond the mark, which cannot be moved.
    let space = &bucket.shared.space;
    let mut claims = Vec::new();
    let mut end = 0;
    while end == 0 || space.mark() - end >= SEGMENT {
        let claim = space.claim(SEGMENT / 4).await.unwrap();
        end = claim.address() + SEGMENT / 4;
        claims.push(claim);
    }
    device.full_superblock.store(true, Ordering::Relaxed);
    let gate = hold(&device);
    let written = device.durable.load(Ordering::Relaxed);
    // Too long to take zeroes along.
    let first = begin_put_of(40_000, &bucket, "a", Condition::default());
    settle().await;
    let second = begin_put_of(SMALL_BODY, &bucket, "b", Condition::default());
    settle().await;
    let third = begin_put(&bucket, "c", Condition::default());
    settle().await;
    // Room again, too late for the second group.
    device.full_superblock.store(false, Ordering::Relaxed);
    gate.add_permits(1);
    first.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap(), Err(ChangeError::NoSpace));
    third.await.unwrap().unwrap();
    let durable = device.durable.load(Ordering::Relaxed) - written;
    assert_eq!(durable, 2, "the third group was written once");
    drop(claims);
}
