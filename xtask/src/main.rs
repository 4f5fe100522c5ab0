//! The workspace's chores: test, check, features, tidy, bench.

fn main() {}
