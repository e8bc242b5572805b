//! `fused` mounts a bucket as a file system.

mod ahead;
mod asking;
mod attempts;
mod attributes;
mod cache;
mod cli;
mod content_types;
mod copying;
mod directories;
mod early;
mod errno;
mod file_system;
mod files;
mod following;
mod forgetting;
mod listings;
mod login;
mod lookup;
mod metrics;
mod mount;
mod naming;
mod reading;
mod recovery;
mod retrying;
mod session;
mod space;
mod spares;
mod staging;
mod starting;
mod status;
mod uploading;
mod walking;
mod writing;
mod xattrs;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::of(std::env::args_os()).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fused: {error:#}");
            ExitCode::FAILURE
        }
    }
}
