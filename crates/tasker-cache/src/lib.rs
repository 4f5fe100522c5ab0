//! Read-through caching that never breaks a request and never serves a value older than an acknowledged invalidation.
