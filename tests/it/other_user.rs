//! Our program run as another user, in a home directory that root prepared, in a mount namespace of
//! its own: root may read and write everything, so what others meet is seen as one of them.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::env::{PROGRAM, Ran, TestEnv, run, run_with_stderr_at_a_terminal};

/// What kubectl says where nobody is there.
const KUBECTL: (&str, &str) = (
    "KUBERNETES_EXEC_INFO",
    r#"{"apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#,
);

/// The home has a cache directory, and is the other user's.
const PREPARE: &str =
    "mkdir -p \"$HOME/.kube/cache\" 2>/dev/null; chown -R 65534:65534 \"$HOME\"; ";

impl TestEnv {
    /// Runs our program in the home of this name, as kubectl would, at a terminal or not. `setup` is
    /// run by root's shell before, with `$HOME` as the directory; `variables` are arguments for `env`.
    /// What is shown of the home is `H`.
    pub(crate) fn run_as_other_user(
        &self,
        home: &str,
        setup: &str,
        terminal: bool,
        variables: &[&str],
        args: &[&str],
    ) -> Ran {
        fs::set_permissions(self.home(), fs::Permissions::from_mode(0o755)).expect("ours");
        let home = self.path(home);
        fs::create_dir_all(&home).expect("made");
        let script = format!(
            "export HOME='{}'; cd \"$HOME\"; {PREPARE}{setup}; \
             exec setpriv --reuid 65534 --regid 65534 --clear-groups -- env \"$@\"",
            home.display(),
        );

        let mut command = self.program("/usr/bin/unshare");
        command
            .args([
                "--mount",
                "--propagation=private",
                "sh",
                "-c",
                &script,
                "sh",
            ])
            .args(variables);
        command
            .arg(PROGRAM)
            .args(args)
            .env("AZURE_CLIENT_SECRET", self.principal.secret())
            .env(KUBECTL.0, KUBECTL.1);
        let mut ran = if terminal {
            let mut ran = run_with_stderr_at_a_terminal(command, &self.path("stdout"));
            ran.stderr.retain(|c| c != '\r');
            ran
        } else {
            run(&mut command)
        };
        ran.stderr = ran.stderr.replace(&home.display().to_string(), "H");
        ran
    }
}
