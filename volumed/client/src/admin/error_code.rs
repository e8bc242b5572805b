use serde::{Deserialize, Serialize};

/// One row for each code: what it means, and the HTTP status that goes with it.
macro_rules! error_codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $status:literal,)+) => {
        /// Why the admin API refused a call, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[doc = $meaning])+ $code,)+
            /// A code of a newer daemon.
            #[serde(other)]
            Unknown,
        }

        impl ErrorCode {
            /// Every code that this version of the daemon answers.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The HTTP status that goes with the code.
            pub fn http_status(self) -> u16 {
                match self {
                    $(Self::$code => $status,)+
                    Self::Unknown => 500,
                }
            }

            /// What the code means, a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => concat!($($meaning),+).trim_ascii(),)+
                    Self::Unknown => "A code of a newer daemon.",
                }
            }
        }
    };
}

error_codes! {
    /// The body is not the JSON that the call takes.
    InvalidRequest = 400,
    /// The name is not one that a volume can have.
    InvalidName = 400,
    /// The size is not one that a volume can have.
    InvalidSize = 400,
    /// The pool cannot keep that many replicas.
    InvalidReplicas = 400,
    /// The owner is empty or too long.
    InvalidOwner = 400,
    /// No volume has that name.
    VolumeNotFound = 404,
    /// A volume has that name already.
    VolumeExists = 409,
    /// The volume is attached: detach it first.
    VolumeAttached = 409,
    /// The volume is attached to somebody else, or to nobody.
    NotOwner = 409,
    /// Another node serves the volume.
    ServedElsewhere = 409,
    /// The volume was never verified.
    NeverVerified = 404,
    /// No disk has that id.
    DiskNotFound = 404,
    /// The directory is a disk of the pool already.
    DiskExists = 409,
    /// The disk is not in a state in which this can be done.
    DiskState = 409,
    /// What volumes hold would be lost for good: that has to be accepted.
    WouldLose = 409,
    /// The directory cannot be a disk of this pool, or not now.
    DiskUnusable = 409,
    /// This node is in no cluster.
    NotInCluster = 409,
    /// No node of the cluster has that name.
    NodeNotFound = 404,
    /// The node is not in a state in which this can be done.
    NodeState = 409,
    /// The pool has no room.
    NoSpace = 507,
    /// The metadata store cannot be reached or failed.
    StoreUnavailable = 503,
    /// A disk failed.
    Io = 500,
    /// The daemon has no file descriptor or memory left just now: worth another try.
    Exhausted = 503,
    /// The daemon is stopping.
    ShuttingDown = 503,
    /// There is no such call.
    NoSuchCall = 404,
    /// A defect of the daemon; its log says more.
    Internal = 500,
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ErrorCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use std::fmt::Write as _;
        use utoipa::openapi::schema::{ObjectBuilder, Type};

        let mut meanings = "Why a call was refused, for programs:\n".to_owned();
        let word = |code: &Self| serde_json::to_value(code).expect("a code is a word");
        for code in Self::ALL {
            let (word, status, meaning) = (word(code), code.http_status(), code.meaning());
            let word = word.as_str().unwrap_or_default();
            write!(meanings, "\n- `{word}` ({status}): {meaning}")
                .expect("a String takes everything");
        }
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.iter().map(word)))
            .description(Some(meanings))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ErrorCode {}
