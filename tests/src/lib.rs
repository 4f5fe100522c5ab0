//! The workspace's own tests: backend matrix, faults, consistency, scenarios.
