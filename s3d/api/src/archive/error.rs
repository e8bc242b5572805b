use s3d_bucket::ReadError;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nothing was chosen, or something that is none of it.
    #[error("{0}")]
    Choice(&'static str),
    /// There is no object that was chosen.
    #[error("There is no object {0:?}.")]
    NoSuchKey(String),
    /// Nothing is below what was chosen.
    #[error("No object is below these prefixes.")]
    Empty,
    /// The policy of the bucket stands in the way.
    #[error("The bucket's policy denies that objects below {0:?} are read, or may do so.")]
    Denied(String),
    /// The object belongs to another namespace, which may not want it to be read.
    #[error("Another namespace owns {0:?}; leave it out, and read it with S3.")]
    Foreign(String),
    /// There are too many.
    #[error("These are more objects than one archive holds; choose smaller folders.")]
    TooMany,
    /// Others have theirs at present.
    #[error("Several archives are sent at this moment; try again in a while.")]
    Busy,
    /// The bucket cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
