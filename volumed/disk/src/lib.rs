//! See the package's description; filled in by what follows.
