//! `fused` mounts a bucket as a file system.

mod attributes;
mod cli;
mod directories;
mod early;
mod errno;
mod file_system;
mod files;
mod lookup;
mod mount;
mod naming;
mod reading;
mod recovery;
mod session;
mod staging;
mod uploading;
mod writing;
mod xattrs;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fused: {error:#}");
            ExitCode::FAILURE
        }
    }
}
