/// The smallest unit of a request, in bytes.
pub const MINIMUM_BLOCK: u32 = 1;

/// The unit of a request that costs no merging, in bytes.
pub const PREFERRED_BLOCK: u32 = 4096;

/// The most that one READ or WRITE may carry, in bytes.
pub const MAX_PAYLOAD: u32 = 32 << 20;

/// The longest option that is looked at, in bytes: a name may have 4,096, and a GO names as many
/// kinds of information as it likes.
pub(crate) const MAX_OPTION: u32 = 16 << 10;

/// The longest string of the protocol, in bytes.
pub(crate) const MAX_STRING: usize = 4096;

/// Room that `input()` offers for the next bytes at least.
pub(crate) const INPUT_ROOM: usize = 8 << 10;
