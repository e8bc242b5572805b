//! A volume as one connection sees it.

use volumed_core::{ByteCount, Reply, Request};

/// A volume as one connection sees it; the volume's owner changes only when every earlier export
/// is dropped (V2), so a connection holds it until its last request is answered.
pub struct Export {}

impl Export {
    /// The volume's virtual size.
    pub fn size(&self) -> ByteCount {
        ByteCount(0)
    }

    /// Resolves when the volume gets another owner: the connection must stop reading requests,
    /// let those in flight be answered, close and drop its export.
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        std::future::pending()
    }

    /// Starts a request; `answer` is called once, before this returns or later from any thread,
    /// and must not block.
    pub fn submit(&self, request: Request, answer: impl FnOnce(Reply) + Send + 'static) {
        let _ = request;
        answer(Err(volumed_core::IoError::Gone));
    }
}
