//! A volume's head and replicas on simulated disks that lose power, and a model that says what the
//! volume may hold.

mod disk;
mod extent;
mod life;
mod model;
mod world;

pub use life::live;

/// What a simulated disk does wrong, to see that it is caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// A durable write is answered while it is only in the page cache (V3).
    AnswersDurableWritesEarly,
    /// A sync is answered and not done (V3).
    SkipsFlush,
    /// The dirty log is never written (V5).
    SkipsMarks,
    /// A region becomes clean though its sums are only in the page cache (V5).
    CleansWithoutSums,
    /// After an unclean stop no region is suspect (V10).
    TrustsSums,
    /// A new extent holds what an older one left (V11).
    ServesForeignBytes,
}
