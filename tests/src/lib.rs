//! What the workspace's own tests share: a simulated shared store, and the rule they check by.

pub mod history;
pub mod model;
pub mod sim;
