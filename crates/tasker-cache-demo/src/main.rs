//! A workflow service over SQLite that shows what tasker-cache does.

fn main() {}
