//! Quick messages that gather while others are with the node.

use std::time::Duration;

use volumed_core::message::{Ask, Message};
use volumed_peer::{Settings, Times};

use crate::replicas::Mode;
use crate::rig::{SETTINGS, answer, linked, write};

const LENGTH: usize = 4096;
/// So many leave one by one.
const ALONE: u64 = 4;

/// Nobody pings within a test.
const QUIET: Settings = Settings {
    times: Times {
        ping: Duration::from_mins(5),
        ..SETTINGS.times
    },
    ..SETTINGS
};

fn quick(op: u64, length: usize) -> Message {
    let mut message = write(1, op, length);
    if let Ask::Write { durable, .. } = &mut message.ask {
        *durable = false;
    }
    message
}

#[tokio::test]
async fn what_gathered_leaves_with_the_next_answer() {
    let (calling, hosting) = linked(QUIET, Mode::Held).await;
    for op in 0..ALONE {
        assert!(calling.send(quick(op, LENGTH)));
        hosting.replicas.until_asked(op as usize + 1).await;
    }
    assert!(calling.send(quick(ALONE, LENGTH)));
    assert!(calling.send(quick(ALONE + 1, LENGTH)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(hosting.replicas.messages().len() as u64, ALONE);
    let mut held = hosting.replicas.take_held();
    let (message, reply) = held.remove(0);
    reply.answer(answer(&message));
    hosting.replicas.until_asked(ALONE as usize + 2).await;
    let ops = hosting.replicas.messages().into_iter();
    let ops: Vec<_> = ops.map(|(_, message)| message.op.0).collect();
    assert_eq!(ops, (0..ALONE + 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn much_leaves_at_once() {
    let (calling, hosting) = linked(QUIET, Mode::Held).await;
    for op in 0..=ALONE {
        // The answers to none of them come.
        assert!(calling.send(quick(op, 1 << 20)));
    }
    hosting.replicas.until_asked(ALONE as usize + 1).await;
}

#[tokio::test]
async fn what_gathered_leaves_with_the_pulse_if_no_answer_comes() {
    let ping = Duration::from_millis(100);
    let times = Times {
        ping,
        ..SETTINGS.times
    };
    let settings = Settings { times, ..SETTINGS };
    let (calling, hosting) = linked(settings, Mode::Held).await;
    for op in 0..=ALONE {
        assert!(calling.send(quick(op, LENGTH)));
        hosting.replicas.until_asked(op as usize + 1).await;
    }
}
