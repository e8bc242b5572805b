//! Clients that put objects until they are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::client::Client;
use crate::objects::Bucket;

/// One for each node, and one more that shares the first.
const WRITERS: usize = 4;
/// Some are packed into the log, some have a place of their own.
const LENGTHS: [usize; 3] = [3_000, 200_000, 1 << 20];

/// Clients that put objects into a bucket.
pub struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Load {
    /// Starts them; each begins with another node.
    pub fn start(name: &str, client: &Client, bucket: &Arc<Bucket>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|writer| {
            let (client, bucket, stop) =
                (client.beginning_with(writer), bucket.clone(), stop.clone());
            let name = format!("{name}-{writer}");
            thread::spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let length = LENGTHS[number % LENGTHS.len()];
                    bucket.put(&client, &format!("{name}-{number}"), length)?;
                    number += 1;
                }
                Ok(())
            })
        });
        let writers = writers.collect();
        Self { stop, writers }
    }

    /// Stops them.
    ///
    /// # Panics
    /// When one of them was refused something.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            let written = writer.join().expect("a writer does not panic");
            written.expect("a client that repeats its requests sees no error");
        }
    }
}
