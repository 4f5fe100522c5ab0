//! The in-memory backend of tasker-cache, over moka.
