//! What a sync finds out about the kubeconfig beside the clusters' own entries: the current context, contexts whose
//! cluster is gone, and contexts of others for clusters of the fleet. The real kubectl checks what is written and hinted.

mod current_context;
mod duplicates;
mod gone;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use azure_sim::{Cluster, Endpoint, Fault, Fleet, FleetSpec, PowerState};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    env::{CLOUD, Ran, TIMEOUT, TestEnv, finished, run, signal, start},
    support::peer,
};

fn test_env(clusters: usize, subscriptions: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters,
        subscriptions,
        ..FleetSpec::default()
    }))
}

/// A simulated Azure and the real kubectl, which sees `kubeconfig` (the value of `KUBECONFIG`) or else the default one.
struct Kubectl<'a> {
    test_env: &'a TestEnv,
    program: PathBuf,
    kubeconfig: Option<String>,
}

impl Kubectl<'_> {
    fn ask(&self, args: &[&str]) -> Ran {
        let mut command = self.test_env.program(&self.program);
        command.envs(self.kubeconfig.iter().map(|list| ("KUBECONFIG", list)));
        run(command.args(args))
    }

    fn says(&self, args: &[&str]) -> String {
        let ran = self.ask(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        ran.stdout.trim().to_owned()
    }

    fn contexts(&self) -> Vec<String> {
        let names = self.says(&["config", "get-contexts", "-o", "name"]);
        names.lines().map(str::to_owned).collect()
    }

    /// Types the command of a hint into a shell.
    fn type_in(&self, command: &str) -> String {
        let mut shell = self.test_env.program("/bin/sh");
        shell.args(["-c", command]);
        let ran = run(&mut shell);
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
        ran.stdout
    }
}

fn kubectl(test_env: &TestEnv) -> Option<Kubectl<'_>> {
    let program = peer("kubectl")?;
    test_env.install("kubectl", &program);
    Some(Kubectl {
        test_env,
        program,
        kubeconfig: None,
    })
}

fn sync(test_env: &TestEnv, args: &[&str]) -> Ran {
    let ran = run(test_env.sync(&["-o", "json"]).args(args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

/// The command that follows these words, which one line has: in backquotes, or on the next line.
fn hinted<'t>(ran: &'t Ran, words: &str) -> &'t str {
    assert_eq!(ran.stderr.matches(words).count(), 1, "{}", ran.stderr);
    let (_, rest) = ran.stderr.split_once(words).expect("there once");
    let (line, after) = rest.split_once('\n').expect("a line");
    match line
        .strip_suffix('`')
        .and_then(|line| line.rsplit_once('`'))
    {
        Some((_, command)) => command,
        None => after.lines().next().expect("a command").trim_start(),
    }
}

fn action(report: &Value) -> &Value {
    &report["currentContext"]["action"]
}

/// A sync that is interrupted while it waits for `endpoint`, after it got one answer from there.
fn interrupted(test_env: &TestEnv, endpoint: Endpoint) -> Value {
    let hold = test_env.simulator.hold(Fault::on(endpoint).after(1));
    let running = start(&mut test_env.sync(&["-o", "json", "--concurrency", "1", "--refresh"]));
    hold.wait_for(1, TIMEOUT);
    signal(&running, Signal::INT);
    let ran = finished(running);
    drop(hold);
    ran.json(130)
}
