//! The mounted bucket, used as applications use a file system.

mod beside;
mod cache;
mod conflicts;
mod denied;
mod faults;
mod kept;
mod killed;
mod listings;
mod login;
mod lost_answers;
mod model;
mod mounting;
mod opener;
mod operating;
mod others;
mod programs;
mod requests;
mod room;
mod side_by_side;
mod suites;
mod tree;
