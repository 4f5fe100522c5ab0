//! Debian packages, installed as root or through `sudo` where that asks for no password.

use std::process::Command;
use std::sync::OnceLock;

use crate::install::on_path;
use crate::process::{self, Result, Voice};

/// Tells whether this machine has Debian's packages.
pub(crate) fn is_here() -> bool {
    on_path("apt-get").is_some()
}

/// Installs packages, after one look at what there is to install.
///
/// # Errors
///
/// When this is no Debian, when nobody may install here, or when a package can't be had.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    static LISTS: OnceLock<bool> = OnceLock::new();
    if !is_here() {
        return Err("there is no apt-get on this machine".into());
    }
    let updated = LISTS.get_or_init(|| {
        let mut command = apt_get();
        process::succeeds_with(command.args(["update", "-qq"]), Voice::Stderr).unwrap_or_default()
    });
    if !updated {
        return Err("apt-get can't read its package lists".into());
    }
    let mut command = apt_get();
    command.args(["install", "-qq", "-y", "--no-install-recommends"]).args(packages);
    if process::succeeds_with(&mut command, Voice::Stderr)? {
        Ok(())
    } else {
        Err(format!("apt-get can't install {}", packages.join(" and ")).into())
    }
}

fn apt_get() -> Command {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    process::output_of(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
