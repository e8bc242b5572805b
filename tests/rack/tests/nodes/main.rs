//! Real nodes, real clients, and faults: whatever happens, what was acknowledged is there, with its bytes.
//!
//! The tests share one rack, one after the other, since a rack takes longer to found than most of them run.
//! Each begins and ends with all nodes well.

mod client;
mod conditions;
mod damage;
mod faults;
mod load;
mod losses;
mod objects;
mod partitions;
mod restarts;
mod site;
mod soak;
mod space;
mod strangers;
