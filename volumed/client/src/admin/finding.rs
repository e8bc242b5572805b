use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Everything works, but something should be done.
    Warning,
    /// Something does not work.
    Fault,
}

/// Something that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which fault, for programs: words joined by underscores.
    pub fault: String,
    /// What is wrong, for people.
    pub sentence: String,
    /// The command that cures it, or what else to do.
    pub cure: String,
}

impl Finding {
    /// Something that does not work.
    pub fn fault(fault: &str, sentence: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fault,
            fault: fault.to_owned(),
            sentence: sentence.into(),
            cure: cure.into(),
        }
    }

    /// Something that should be done.
    pub fn warning(fault: &str, sentence: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::fault(fault, sentence, cure)
        }
    }
}
