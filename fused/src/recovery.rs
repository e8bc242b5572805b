//! Uploading what an earlier process left behind.

use std::sync::Arc;

use fused_fs::journal::Recovered;
use fused_fs::upload::{self, Plan};
use fused_s3::Headers;

use crate::mount::{Mount, timestamp};
use crate::staging::{LeftBehind, StageFile};
use crate::uploading::Job;

/// What became of what was left behind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Files that were uploaded.
    pub uploaded: usize,
    /// Files that somebody else changed meanwhile: they were stored beside those.
    pub aside: usize,
    /// Files that are still staged.
    pub left: usize,
}

impl Mount {
    /// Uploads what sessions that ended left behind. What cannot be uploaded stays.
    pub async fn recover(self: &Arc<Self>) -> std::io::Result<Recovery> {
        let mut recovery = Recovery::default();
        for session in self.staging.left_behind()? {
            self.recover_session(&session, &mut recovery).await?;
            session.close();
        }
        Ok(recovery)
    }

    async fn recover_session(
        &self,
        session: &LeftBehind,
        recovery: &mut Recovery,
    ) -> std::io::Result<()> {
        for (mut recovered, file) in session.files()? {
            let file = Arc::new(file);
            self.find_made(&mut recovered).await;
            if let Some(upload) = &recovered.upload {
                // It may have been completed, and its parts are of no use to anybody.
                let _ = self.client.abort_upload(&recovered.key, upload).await;
            }
            let plan = upload::plan(&recovered.stage, recovered.headers_changed, false);
            if plan == Plan::Nothing {
                file.discard();
                continue;
            }
            let modified = timestamp(file.modified()?);
            let job = Job {
                key: recovered.key,
                plan,
                headers: Headers::of_lines(&recovered.headers),
                modified,
                stage: recovered.stage,
                file: Some(file.clone()),
                early: None,
                sent: Arc::default(),
            };
            match self.recover_file(&job, &file).await {
                Some(true) => recovery.uploaded += 1,
                Some(false) => recovery.aside += 1,
                None => {
                    recovery.left += 1;
                    continue;
                }
            }
            file.discard();
        }
        Ok(())
    }

    /// Whether a file could be uploaded under its own key; `None`: nowhere.
    async fn recover_file(&self, job: &Job, file: &Arc<StageFile>) -> Option<bool> {
        match self.run(job).await {
            Ok(_) => Some(true),
            Err(failure) if failure.is_conflict() => {
                let stored = self.store_aside(job, job.stage.clone(), file.clone());
                stored.await.then_some(false)
            }
            Err(failure) => {
                tracing::error!(key = job.key, %failure, "what was staged for it cannot be uploaded");
                None
            }
        }
    }

    /// The process may have ended after an upload was done and before it knew.
    async fn find_made(&self, recovered: &mut Recovered) {
        if let Some(making) = recovered.making.clone()
            && let Ok(object) = self.client.head(&recovered.key).await
            && object.etag == making.etag
        {
            recovered.made(making);
        }
    }
}
