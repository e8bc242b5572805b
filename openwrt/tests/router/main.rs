//! The rendered files, run: each is parsed back and handed to the daemon that OpenWrt would hand it to, on machines that
//! are network namespaces. It needs root.

#![allow(clippy::unwrap_used)]

mod accepting;
mod acme;
mod authority;
mod devices;
mod machines;
mod names;
mod namespaces;
mod public;
mod receivers;
mod rules;
mod site;
mod uci;
mod uci_reading;
mod whole_rack;
mod within;
