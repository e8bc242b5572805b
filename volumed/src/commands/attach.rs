//! `volumed volume attach` and `detach`: a volume as a block device of this machine.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use volumed_core::size::display;
use volumed_daemon::{LogFormat, LogSettings, Logging, ServiceManager, Signals};

use super::answer::{client, print};
use super::error::CommandError;
use crate::cli::{AttachArgs, DetachArgs};
use crate::kernel::{self, KernelError, Wanted, background};

/// What an attach answers.
#[derive(Debug, Serialize)]
struct Answer {
    volume: String,
    device: String,
    size: u64,
}

/// `volumed volume attach NAME /dev/nbdN`
pub async fn attach(args: AttachArgs) -> Result<ExitCode, CommandError> {
    if !args.foreground {
        return Ok(background::run().map_err(KernelError::Background)?);
    }
    if !args.background {
        start_log()?;
    }
    // The kernel may be waiting for this process when it is short of memory.
    if let Err(error) = volumed_daemon::exempt_from_reclaim() {
        tracing::warn!(%error, "when memory is short, the device may hang");
    }
    let signals = Signals::catch()?;
    let wanted = Wanted {
        name: args.name,
        device: args.device,
        block_size: args.block_size,
        wait: Duration::from_secs(args.wait),
        take_over: args.take_over,
    };
    let watch = kernel::attach(&wanted, client(&args.call)).await?;
    let answer = Answer {
        volume: wanted.name,
        device: wanted.device.to_string(),
        size: watch.size,
    };
    print(&args.call, &answer, || {
        let size = display(answer.size);
        format!("Attached {} ({size}) at {}", answer.volume, answer.device)
    })?;
    if args.background {
        background::leave_terminal().map_err(KernelError::Background)?;
        start_log()?;
    }
    let _service = ServiceManager::ready();
    kernel::serve(watch, signals).await?;
    Ok(ExitCode::SUCCESS)
}

/// On standard error, as that is now.
fn start_log() -> Result<(), CommandError> {
    let settings = LogSettings {
        format: LogFormat::Text,
        level: "info".to_owned(),
    };
    Logging::start(&settings, "")?;
    Ok(())
}

/// `volumed volume detach NAME` or `/dev/nbdN`
pub async fn detach(args: DetachArgs) -> Result<ExitCode, CommandError> {
    let (device, volume) = kernel::detach(&args.target, client(&args.call)).await?;
    let answer = serde_json::json!({ "volume": volume.as_str(), "device": device.to_string() });
    print(&args.call, &answer, || {
        format!("Detached {volume} from {device}")
    })
}
