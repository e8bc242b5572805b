//! What a client can make the server hold.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use volumed_nbd::client::{Handshake, Request, Step, encode};

use super::*;

/// Of a server that waits for nobody.
const SHORT: Duration = Duration::from_millis(100);

/// A client that does not wait for answers.
fn raw_client(running: &Running) -> UnixStream {
    let mut stream = UnixStream::connect(&running.socket).unwrap();
    let mut handshake = Handshake::new("memory");
    loop {
        match handshake.step().unwrap() {
            Step::NeedInput => {
                stream.write_all(&handshake.take_output()).unwrap();
                let mut bytes = [0; 1024];
                let count = stream.read(&mut bytes).unwrap();
                handshake.input().extend_from_slice(&bytes[..count]);
            }
            Step::Established(_) => return stream,
            Step::Refused(refused) => panic!("{refused}"),
        }
    }
}

fn write_header(cookie: u64, length: usize) -> Vec<u8> {
    let request = Request::Write {
        offset: 0,
        length: length as u32,
        fua: false,
    };
    encode(cookie, request).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_options_do_not_pile_up() {
    let running = start(Mode::Inline);
    let mut stream = UnixStream::connect(&running.socket).unwrap();
    let mut bytes = 3_u32.to_be_bytes().to_vec();
    bytes.extend(b"IHAVEOPT\0\0\0\x03\0\0\0\0".repeat(400));
    stream.write_all(&bytes).unwrap();
    until(|| *running.memory.listed.lock().unwrap() > 0).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Each list is 1 MB, and nobody reads it.
    let listed = *running.memory.listed.lock().unwrap();
    assert!(listed < 5, "{listed} lists were made");
    drop(stream);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_so_many_requests_in_flight_and_no_more() {
    let running = start(Mode::Held);
    let mut stream = raw_client(&running);
    let write = |cookie| [write_header(cookie, 1), vec![7]].concat();
    let writes: Vec<u8> = (0..1500).flat_map(write).collect();
    stream.write_all(&writes).unwrap();
    running.memory.until_held(1024).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(running.memory.held.lock().unwrap().len(), 1024);
    running.memory.let_go();
    running.memory.until_held(1500 - 1024).await;
    running.memory.let_go();
    drop(stream);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_together_hold_no_more_than_the_budget() {
    let running = start(Mode::Held);
    let mut writes = Vec::new();
    for _ in 0..3 {
        let device = running.connect().await;
        writes.extend((0..30).map(|number| {
            let device = device.clone();
            tokio::spawn(async move {
                let pieces = [numbered(number, MIB)];
                device
                    .write((number * MIB) as u64, &pieces, Durability::Volatile)
                    .await
            })
        }));
    }
    // A write costs a little more than its payload.
    let at_once = MEMORY / MIB - 1;
    running.memory.until_held(at_once).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(running.memory.held.lock().unwrap().len(), at_once);
    let mut answered = 0;
    while answered < writes.len() {
        running.memory.until_held(1).await;
        answered += running.memory.let_go();
    }
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let most = running.memory.holding.lock().unwrap().1;
    assert!(most <= MEMORY, "{most} bytes were in flight");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_memory_and_moves_nothing_gives_way() {
    let running = start_with(Mode::Inline, SHORT);
    let mut announces = raw_client(&running);
    announces.write_all(&write_header(1, 24 * MIB)).unwrap();
    let mut never_reads = raw_client(&running);
    let length = 20 * MIB as u32;
    let read = Request::Read { offset: 0, length };
    never_reads.write_all(&encode(1, read)).unwrap();
    let device = running.connect().await;
    let data = numbered(3, 30 * MIB);
    let write = device.write(0, std::slice::from_ref(&data), Durability::Volatile);
    write.await.unwrap();
    assert!(device.read(0, 30 * MIB).await.unwrap() == data);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moves_nothing_may_stay_while_there_is_memory() {
    let running = start_with(Mode::Inline, SHORT);
    let mut slow = raw_client(&running);
    slow.write_all(&write_header(1, MIB)).unwrap();
    tokio::time::sleep(SHORT * 3).await;
    slow.write_all(&vec![9; MIB]).unwrap();
    let mut reply = [0; 16];
    slow.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..8], [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0]);
    drop(slow);
    running.stop().await;
}
