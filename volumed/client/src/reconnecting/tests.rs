use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::*;

/// What a server holds, and the connections to it.
#[derive(Debug, Default)]
struct Server {
    bytes: Mutex<BTreeMap<u64, Bytes>>,
    /// Connections of a lower number are broken.
    alive_from: AtomicU64,
    connections: AtomicU64,
    away: std::sync::atomic::AtomicBool,
    /// What was answered before is not lost with a connection.
    keeps: std::sync::atomic::AtomicBool,
    taken: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Link {
    server: Arc<Server>,
    number: u64,
}

impl Server {
    fn link(self: &Arc<Self>) -> Arc<dyn BlockDevice> {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        Arc::new(Link {
            server: self.clone(),
            number,
        })
    }

    fn break_connections(&self) {
        let next = self.connections.load(Ordering::SeqCst);
        self.alive_from.store(next, Ordering::SeqCst);
    }

    fn device(self: &Arc<Self>) -> Arc<ReconnectingDevice> {
        let connect = Arc::new(Again(self.clone()));
        let patience = Duration::from_secs(30);
        Arc::new(ReconnectingDevice::new(self.link(), connect, patience))
    }
}

impl Link {
    fn check(&self) -> Result<(), DeviceError> {
        if self.number < self.server.alive_from.load(Ordering::SeqCst) {
            return Err(DeviceError::Disconnected);
        }
        Ok(())
    }
}

#[async_trait]
impl BlockDevice for Link {
    fn size(&self) -> u64 {
        1 << 40
    }

    fn is_connected(&self) -> bool {
        self.check().is_ok()
    }

    async fn read(&self, offset: u64, _: usize) -> Result<Bytes, DeviceError> {
        self.check()?;
        let held = self.server.bytes.lock().get(&offset).cloned();
        held.ok_or(DeviceError::Invalid)
    }

    /// What it reads this way is its number.
    async fn read_unchecked(&self, _: u64, _: usize) -> Option<Bytes> {
        self.check().ok()?;
        Some(Bytes::from(self.number.to_string()))
    }

    fn read_unchecked_blocking(&self, _: u64, bytes: &mut [u8]) -> bool {
        bytes.fill(self.number as u8);
        self.check().is_ok()
    }

    async fn write(&self, offset: u64, pieces: &[Bytes], _: Durability) -> Result<(), DeviceError> {
        self.check()?;
        self.server
            .bytes
            .lock()
            .insert(offset, pieces.concat().into());
        Ok(())
    }

    async fn flush(&self, _: Session) -> Result<(), DeviceError> {
        self.check()
    }

    async fn trim(&self, offset: u64, _: u64) -> Result<(), DeviceError> {
        self.check()?;
        self.server.bytes.lock().remove(&offset);
        Ok(())
    }
}

#[derive(Debug)]
struct Again(Arc<Server>);

#[async_trait]
impl Connect for Again {
    async fn connect(&self) -> Result<Reconnected, ConnectFailure> {
        if self.0.taken.load(Ordering::SeqCst) {
            return Err(ConnectFailure::Final);
        }
        if self.0.away.load(Ordering::SeqCst) {
            return Err(ConnectFailure::Passing);
        }
        Ok(Reconnected {
            device: self.0.link(),
            kept: self.0.keeps.load(Ordering::SeqCst),
        })
    }
}

fn bytes(text: &'static str) -> [Bytes; 1] {
    [Bytes::from_static(text.as_bytes())]
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_server_that_returns() {
    let server = Arc::<Server>::default();
    let device = server.device();
    server.away.store(true, Ordering::SeqCst);
    server.break_connections();
    let write = {
        let device = device.clone();
        tokio::spawn(async move { device.write(0, &bytes("a"), Durability::Durable).await })
    };
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!write.is_finished());
    server.away.store(false, Ordering::SeqCst);
    assert_eq!(write.await.unwrap(), Ok(()));
    assert_eq!(device.read(0, 1).await.unwrap(), "a");
    assert!(!device.is_lost());
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_then_every_call_fails_at_once() {
    let server = Arc::<Server>::default();
    let device = server.device();
    server.away.store(true, Ordering::SeqCst);
    server.break_connections();
    let began = tokio::time::Instant::now();
    assert_eq!(device.read(0, 1).await, Err(DeviceError::Disconnected));
    assert!(began.elapsed() >= Duration::from_secs(29));
    server.away.store(false, Ordering::SeqCst);
    let failed = tokio::time::Instant::now();
    let flushed = device.flush(device.session()).await;
    assert_eq!(flushed, Err(DeviceError::Disconnected));
    assert_eq!(failed.elapsed(), Duration::ZERO);
    assert!(device.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_somebody_else_took_is_lost_at_once() {
    let server = Arc::<Server>::default();
    let device = server.device();
    server.taken.store(true, Ordering::SeqCst);
    server.break_connections();
    let began = tokio::time::Instant::now();
    assert_eq!(device.trim(0, 1).await, Err(DeviceError::Disconnected));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(device.is_lost());
}

/// V1: nobody has to call anything for a device to find out that it was taken.
#[tokio::test(start_paused = true)]
async fn a_device_knows_whether_it_is_owned() {
    let server = Arc::<Server>::default();
    let device = server.device();
    assert!(device.is_owned().await);
    server.break_connections();
    assert!(!device.is_connected());
    assert!(device.is_owned().await, "the same owner connects again");
    assert!(device.is_connected());
    server.taken.store(true, Ordering::SeqCst);
    server.break_connections();
    assert!(!device.is_owned().await);
    assert!(device.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_flush_fails_when_what_it_should_cover_may_be_lost() {
    let volatile: [fn(&ReconnectingDevice) -> futures::future::BoxFuture<'_, _>; 2] = [
        |device| Box::pin(async { device.write(0, &bytes("a"), Durability::Volatile).await }),
        |device| Box::pin(device.trim(0, 1)),
    ];
    for call in volatile {
        let server = Arc::<Server>::default();
        let device = server.device();
        let session = device.session();
        call(&device).await.unwrap();
        assert_eq!(device.flush(session).await, Ok(()), "nothing is lost yet");
        call(&device).await.unwrap();
        server.break_connections();
        for _ in 0..2 {
            let flushed = device.flush(session).await;
            assert_eq!(flushed, Err(DeviceError::Disconnected));
        }
        let session = device.session();
        call(&device).await.unwrap();
        assert_eq!(device.flush(session).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_covers_what_was_answered_on_connections_that_lost_nothing() {
    let server = Arc::<Server>::default();
    server.keeps.store(true, Ordering::SeqCst);
    let device = server.device();
    let write = async |at| device.write(at, &bytes("a"), Durability::Volatile).await;
    let first = device.session();
    write(0).await.unwrap();
    server.break_connections();
    assert_eq!(device.flush(first).await, Ok(()), "it is sent again");
    let second = device.session();
    assert!(second > first);
    server.break_connections();
    assert_eq!(device.flush(first).await, Ok(()));
    server.keeps.store(false, Ordering::SeqCst);
    server.break_connections();
    let lost = Err(DeviceError::Disconnected);
    assert_eq!(device.flush(second).await, lost);
    server.keeps.store(true, Ordering::SeqCst);
    server.break_connections();
    write(1).await.unwrap();
    assert_eq!(device.flush(device.session()).await, Ok(()));
    assert_eq!(device.flush(first).await, lost, "what is lost stays so");
}

#[tokio::test(start_paused = true)]
async fn what_others_do_hides_no_lost_write() {
    let server = Arc::<Server>::default();
    let device = server.device();
    let write = async |at| device.write(at, &bytes("a"), Durability::Volatile).await;
    let session = device.session();
    write(0).await.unwrap();
    server.break_connections();
    // Whoever has the session of before the break is told, whatever was flushed meanwhile.
    write(1).await.unwrap();
    assert_eq!(device.flush(device.session()).await, Ok(()));
    let flushed = device.flush(session).await;
    assert_eq!(flushed, Err(DeviceError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_session_begins_when_the_one_before_is_known_to_be_lost() {
    let server = Arc::<Server>::default();
    let device = server.device();
    let before = device.session();
    server.away.store(true, Ordering::SeqCst);
    server.break_connections();
    let waits = {
        let device = device.clone();
        tokio::spawn(async move { device.trim(0, 1).await })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let session = device.session();
    assert_ne!(session, before);
    server.away.store(false, Ordering::SeqCst);
    waits.await.unwrap().unwrap();
    assert_eq!(device.flush(session).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_unchecked_comes_from_the_connection_of_now() {
    let server = Arc::<Server>::default();
    let device = server.device();
    assert_eq!(device.read_unchecked(0, 1).await.unwrap(), "0");
    server.away.store(true, Ordering::SeqCst);
    server.break_connections();
    assert_eq!(device.read_unchecked(0, 1).await, None, "it has ended");
    let waits = {
        let device = device.clone();
        tokio::spawn(async move { device.trim(0, 1).await })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(device.read_unchecked(0, 1).await, None, "there is none");
    server.away.store(false, Ordering::SeqCst);
    assert_eq!(waits.await.unwrap(), Ok(()));
    assert_eq!(device.read_unchecked(0, 1).await.unwrap(), "1");
    assert!(device.read_unchecked_blocking(0, &mut [0]));
    server.break_connections();
    assert!(!device.read_unchecked_blocking(0, &mut [0]));
}
