//! What a refusal of the volume daemon means to an operator: its own sentence, with a code and a status of this API.

use axum::http::StatusCode;
use volumed_client::admin::{AdminError, ErrorCode};

use super::ApiError;

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        if let AdminError::Refused { code, message } = &error
            && let Some(name) = name_of(*code)
        {
            let status = StatusCode::from_u16(code.http_status());
            let status = status.unwrap_or(StatusCode::CONFLICT);
            return Self::new(status, name, sentence(message));
        }
        tracing::warn!(%error, "the volume daemon does not answer an operator");
        Self::unavailable("The volume daemon does not answer; try again in a moment.")
    }
}

/// The code for what an operator asked and the daemon will not do; none for what may pass by itself.
fn name_of(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::DiskNotFound => "NoSuchDisk",
        ErrorCode::DiskState => "DiskState",
        ErrorCode::WouldLose => "WouldLose",
        ErrorCode::NodeNotFound => "NoSuchNode",
        ErrorCode::NodeState => "NodeState",
        ErrorCode::NotInCluster => "NotInCluster",
        ErrorCode::DiskUnusable => "DiskUnusable",
        ErrorCode::NoSpace => "NoSpace",
        _ => return None,
    })
}

/// The daemon's message, with a capital letter and a full stop.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    let end = if message.ends_with('.') { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_sentence_is_kept() {
        let refused = AdminError::Refused {
            code: ErrorCode::WouldLose,
            message: "the disk x holds 3 extents that no other has".to_owned(),
        };
        let error = ApiError::from(refused);
        assert_eq!(
            (error.status, error.body.code),
            (StatusCode::CONFLICT, "WouldLose")
        );
        let sentence = "The disk x holds 3 extents that no other has.";
        assert_eq!(error.body.message, sentence);
    }

    #[test]
    fn what_may_pass_is_to_be_tried_again() {
        let refused = AdminError::Refused {
            code: ErrorCode::ShuttingDown,
            message: "it stops".to_owned(),
        };
        let error = ApiError::from(refused);
        assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.retry_after.is_some());
    }
}
