//! `rack` as it is called, with nodes that are folders and scripts.

mod check;
mod describe;
mod replace;
mod secrets;
mod site;
mod ssh;
mod status;
mod update;
