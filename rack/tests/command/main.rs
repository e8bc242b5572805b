//! `rack` as it is called, with nodes that are folders and scripts.

mod check;
mod describe;
mod secrets;
mod site;
mod status;
