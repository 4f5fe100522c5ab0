//! Ways to get what a chore needs and the machine lacks: Debian packages, Python wheels, crates.
//!
//! Nothing here touches the network while what is asked for is there.

pub(crate) mod debian;
pub(crate) mod program;
pub(crate) mod wheel;

use std::env;
use std::path::{Path, PathBuf};

/// Returns the program of this name that a shell would run.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// Tells whether this is a file that may be run.
#[cfg(unix)]
pub(crate) fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Tells whether this is a file.
#[cfg(not(unix))]
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_a_shell_would_find_it() {
        let found = on_path("git").unwrap();
        assert!(found.is_absolute() && found.ends_with("git"), "{}", found.display());
        assert_eq!(on_path("no-such-program-here"), None);
    }

    #[test]
    fn a_folder_and_a_text_are_no_programs() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!is_program(folder));
        assert!(!is_program(&folder.join("Cargo.toml")));
    }
}
