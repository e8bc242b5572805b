//! `rack` as it is called, with nodes that are folders and scripts.

mod admit;
mod apply;
mod check;
mod describe;
mod image;
mod replace;
mod router;
mod secrets;
mod site;
mod ssh;
mod status;
mod update;
