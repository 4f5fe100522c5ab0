//! In which order crates can be published: each after those that it depends on.

use std::collections::BTreeSet;

use crate::process::Result;
use crate::workspace::{Package, Workspace};

/// Returns the published packages, dependencies first.
///
/// # Errors
///
/// When some depend on each other.
pub(crate) fn in_order(workspace: &Workspace) -> Result<Vec<&Package>> {
    let mut left: Vec<&Package> = workspace.published().collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let names: BTreeSet<&str> = left.iter().map(|package| package.name.as_str()).collect();
        let waits = |package: &Package| {
            let needed = package.dependencies.iter().filter(|one| !one.is_dev());
            needed.into_iter().any(|one| names.contains(one.name.as_str()))
        };
        let (waiting, ready): (Vec<_>, Vec<_>) = left.into_iter().partition(|one| waits(one));
        if ready.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|package| package.name.as_str()).collect();
            return Err(format!("these depend on each other: {}", names.join(", ")).into());
        }
        ordered.extend(ready);
        left = waiting;
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_comes_after_those_that_it_depends_on() {
        let workspace = Workspace::load().unwrap();
        let order = in_order(&workspace).unwrap();
        let at = |name| order.iter().position(|package| package.name == name).unwrap();
        assert_eq!(at("tasker-cache-core"), 0);
        assert!(at("tasker-cache-moka") < at("tasker-cache"));
        assert!(at("tasker-cache-breaker") < at("tasker-cache"));
        assert_eq!(order.len(), workspace.published().count());
    }
}
