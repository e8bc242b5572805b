//! `rack` as it is called, with nodes that are folders and scripts.

mod describe;
mod secrets;
mod site;
