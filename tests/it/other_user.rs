//! Our program run as another user, in a home directory that root prepared, in a mount namespace of
//! its own: root may read and write everything, so what others meet is seen as one of them.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::env::{PROGRAM, Ran, TestEnv, run};

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
        let out = self.path("stdout");
        if terminal {
            let words: Vec<_> = args.iter().map(|arg| format!("'{arg}'")).collect();
            let line = format!(
                "exec 3>'{}'; '{PROGRAM}' {} >&3",
                out.display(),
                words.join(" ")
            );
            fs::write(&out, "").expect("written");
            std::os::unix::fs::chown(&out, Some(65534), None).expect("root");
            command.args([
                "script",
                "--quiet",
                "--return",
                "--command",
                &line,
                "/dev/null",
            ]);
        } else {
            command.arg(PROGRAM).args(args);
        }
        let mut ran = run(command
            .env("AZURE_CLIENT_SECRET", self.principal.secret())
            .env(KUBECTL.0, KUBECTL.1));
        if terminal {
            ran.stderr = std::mem::take(&mut ran.stdout).replace('\r', "");
            ran.stdout = fs::read_to_string(out).expect("made");
        }
        ran.stderr = ran.stderr.replace(&home.display().to_string(), "H");
        ran
    }
}
