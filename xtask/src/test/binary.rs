//! The test binaries that cargo compiles, and where each comes from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::process::{self, Result, Voice};
use crate::servers::Servers;
use crate::test::libtest::{self, Transcript};
use crate::test::row::{Place, Row};
use crate::workspace::{Target, Workspace};

/// A compiled test binary.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) package: String,
    pub(crate) target: Target,
    executable: PathBuf,
    manifest: PathBuf,
}

/// One line of cargo's `--message-format=json`, as far as it is of interest.
#[derive(Debug, Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

/// Compiles what a `cargo test …` would run, and returns the binaries, or `None` if that fails.
///
/// # Errors
///
/// When cargo can't be started or says something that can't be understood.
pub(crate) fn compile(
    command: &mut Command,
    workspace: &Workspace,
    voice: Voice,
) -> Result<Option<Vec<Binary>>> {
    voice.say(&format!("$ {}", process::typed(command)));
    command.args(["--no-run", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let mut binaries = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        binaries.extend(binary(line, workspace)?);
    }
    binaries.sort_by_key(|binary| (binary.package.clone(), binary.target.src_path.clone()));
    Ok(Some(binaries))
}

/// Returns the test binary that a message of cargo's tells of, if it does.
fn binary(line: &str, workspace: &Workspace) -> Result<Option<Binary>> {
    let message: Message = serde_json::from_str(line)?;
    let (Some(executable), Some(manifest), Some(target), Some(Profile { test: true })) =
        (message.executable, message.manifest_path, message.target, message.profile)
    else {
        return Ok(None);
    };
    let package = workspace.package_of(&manifest)?.name.clone();
    Ok(Some(Binary { package, target, executable, manifest }))
}

impl Binary {
    /// Returns the line that tells this binary from the others, as in `xtask: src/main.rs`.
    pub(crate) fn title(&self, workspace: &Workspace) -> String {
        let path = workspace.relative(&self.target.src_path);
        format!("{}: {}", self.package, path.display())
    }

    /// Returns the paths of the binary's tests.
    ///
    /// # Errors
    ///
    /// When the binary can't be started or fails.
    pub(crate) fn tests(&self) -> Result<Vec<String>> {
        let mut command = self.command();
        command.args(["--list", "--format", "terse"]);
        Ok(libtest::listed(&process::output_of(&mut command)?))
    }

    /// Runs the binary's tests, or only these of them, ignored ones too, and tells them where the
    /// servers are.
    ///
    /// # Errors
    ///
    /// When the binary can't be started.
    pub(crate) fn run(
        &self,
        only: Option<&[String]>,
        servers: &Servers,
        voice: Voice,
    ) -> Result<(Transcript, bool)> {
        let mut command = self.command();
        servers.tell(&mut command);
        if let Some(only) = only {
            command.arg("--exact").args(only);
        }
        // Whatever is ignored needs something rare, and is asked for where that is there.
        command.arg("--include-ignored");
        libtest::run(&mut command, voice)
    }

    /// Returns the command that runs the binary as cargo would: in its package's folder, which it
    /// is told of.
    fn command(&self) -> Command {
        let folder = self.manifest.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(&self.executable);
        command
            .current_dir(folder)
            .env("CARGO_MANIFEST_DIR", folder)
            .env("CARGO_MANIFEST_PATH", &self.manifest)
            .env("CARGO_PKG_NAME", &self.package);
        command
    }

    /// Names everything that the path of a test tells.
    pub(crate) fn row_of(&self, path: &str) -> Row {
        Row::of_test(&self.package, self.file(), path)
    }

    /// Returns the row and the place of a test that is a case of the conformance suite.
    pub(crate) fn case(&self, path: &str) -> Option<(Row, Place)> {
        if self.is_integration_test() {
            Row::of_case(&self.package, self.file(), path)
        } else {
            None
        }
    }

    /// Returns the name of the file under `tests/`, if it is one.
    fn file(&self) -> &str {
        if self.is_integration_test() { &self.target.name } else { "" }
    }

    /// Tells whether this is a file or folder under `tests/`.
    pub(crate) fn is_integration_test(&self) -> bool {
        self.target.is("test")
    }

    /// Tells whether the binary's source calls the conformance suite.
    ///
    /// # Errors
    ///
    /// When the source can't be read.
    pub(crate) fn calls_the_suite(&self) -> Result<bool> {
        Ok(calls_the_suite(&self.target.src_path)?)
    }
}

/// Looks for the macro in a test's source, and in the files beside a `main.rs`.
fn calls_the_suite(source: &Path) -> io::Result<bool> {
    if has_call(&fs::read_to_string(source)?) {
        return Ok(true);
    }
    if source.file_name().is_none_or(|name| name != "main.rs") {
        return Ok(false);
    }
    for entry in fs::read_dir(source.parent().unwrap_or(Path::new(".")))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && has_call(&fs::read_to_string(&path)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_call(source: &str) -> bool {
    source
        .lines()
        .map(str::trim_start)
        .any(|line| !line.starts_with("//") && line.contains("conformance!("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(package: &str, test: bool, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"{package}","target":{{"kind":["test"],
            "name":"noop","src_path":"tests/noop.rs"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
        )
    }

    fn workspace() -> (Workspace, String) {
        let workspace = Workspace::load().unwrap();
        let manifest = workspace.root.join("xtask/Cargo.toml");
        (workspace, manifest.display().to_string())
    }

    #[test]
    fn a_test_executable_is_a_binary_of_its_package() {
        let (workspace, manifest) = workspace();
        let found = binary(&message(&manifest, true, r#""/t/noop-1""#), &workspace).unwrap();
        let found = found.unwrap();
        assert_eq!(found.title(&workspace), "xtask: tests/noop.rs");
        assert!(found.target.is("test"));
    }

    #[test]
    fn libraries_programs_and_other_messages_are_not() {
        let (workspace, manifest) = workspace();
        for line in [
            message(&manifest, true, "null"),
            message(&manifest, false, r#""/t/demo""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ] {
            assert!(binary(&line, &workspace).unwrap().is_none(), "{line}");
        }
    }

    #[test]
    fn a_call_of_the_suite_is_seen_and_its_mention_is_not() {
        assert!(has_call("tasker_cache_testkit::conformance!(fixture);"));
        assert!(has_call("mod moka {\n    conformance!(super::moka);\n}"));
        assert!(!has_call("//! Calls `conformance!(fixture)`.\nfn one() {}"));
    }
}
