//! The targets of the log lines, which stay as they are wherever the code that logs stands.

/// What was configured and what came of it, up to the first answer of the backend.
pub(crate) const CONNECT: &str = "tasker_cache::connect";

/// What is wrong with the use of a region, and spans of its loads.
pub(crate) const REGION: &str = "tasker_cache::region";

/// What the backend failed at.
pub(crate) const BACKEND: &str = "tasker_cache::backend";

/// Hits and misses of Tasker's analyses, and its rule for templates.
pub(crate) const TASKER: &str = "tasker_cache::tasker";
