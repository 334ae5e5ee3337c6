//! `sync --adopt` on a kubeconfig that the real az and the real kubelogin wrote.

use std::{collections::BTreeSet, env, fs, path::Path};

use azure_sim::{Cluster, Fleet, FleetSpec};
use serde_json::{Value, json};

use crate::{
    env::{Ran, TestEnv, run},
    support::peer,
};

/// Runs `az aks get-credentials` for each line of stdin, all in one process: to start az takes longer than the call.
const GET_CREDENTIALS: &str = r#"
import sys
from azure.cli.core import get_default_cli
for line in sys.stdin:
    subscription, group, name, *more = line.split()
    words = ["aks", "get-credentials", "--subscription", subscription, "-g", group, "-n", name, *more]
    if get_default_cli().invoke([*words, "--overwrite-existing", "--only-show-errors"]):
        sys.exit(f"{words} failed")
"#;

/// How many clusters az writes: `AAD_ADOPT_CLUSTERS`, else a few, since each takes az a while.
fn clusters() -> usize {
    let count = env::var("AAD_ADOPT_CLUSTERS").ok();
    count.map_or(30, |count| count.parse().expect("a number"))
}

struct RealAz<'a> {
    test_env: &'a TestEnv,
    program: &'a Path,
}

impl RealAz<'_> {
    /// Az, or the interpreter that runs it, with a configuration of its own: `sync` signs in as another account.
    fn run(&self, program: &Path, words: &[&str], input: &str) {
        let mut command = self.test_env.program(program);
        let stdin = self.test_env.write("stdin", input);
        command
            .args(words)
            .stdin(fs::File::open(stdin).expect("written"))
            .env("AZURE_CONFIG_DIR", self.test_env.path("real-azure"))
            .env("REQUESTS_CA_BUNDLE", &self.test_env.files.ca)
            .env("AZURE_CORE_COLLECT_TELEMETRY", "false")
            .env("AZURE_CORE_INSTANCE_DISCOVERY", "false")
            .env("AZURE_CORE_LOGIN_EXPERIENCE_V2", "false");
        let ran = run(&mut command);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
    }

    fn sign_in(&self) {
        let arm = self.test_env.simulator.arm_url();
        let register = [
            "cloud",
            "register",
            "-n",
            "Simulator",
            "--endpoint-resource-manager",
            &arm,
        ];
        self.run(self.program, &register, "");
        self.run(self.program, &["cloud", "set", "-n", "Simulator"], "");
        for principal in &self.test_env.simulator.fleet().service_principals {
            let login = ["login", "--service-principal", "-u", &principal.client_id];
            let more = ["-p", principal.secret(), "--tenant", &principal.tenant_id];
            self.run(self.program, &[&login[..], &more].concat(), "");
        }
    }

    /// Writes each cluster's context, and the administrator's of those in `admins`.
    fn get_credentials(&self, clusters: &[Cluster], admins: &[Cluster]) {
        let line = |cluster: &Cluster, more: &str| {
            let Cluster {
                subscription_id,
                resource_group,
                name,
                ..
            } = cluster;
            format!("{subscription_id} {resource_group} {name} {more}\n")
        };
        let all = clusters.iter().map(|cluster| line(cluster, ""));
        let all = admins
            .iter()
            .map(|cluster| line(cluster, "--admin"))
            .chain(all);
        let python = self.program.with_file_name("python");
        self.run(&python, &["-c", GET_CREDENTIALS], &all.collect::<String>());
    }
}

fn contexts(kubectl: impl Fn(&[&str]) -> Ran) -> BTreeSet<String> {
    let names = kubectl(&["config", "get-contexts", "-o", "name"]).stdout;
    names.lines().map(str::to_owned).collect()
}

#[test]
fn a_kubeconfig_of_the_real_az_and_kubelogin_is_taken_over_whole() {
    let (Some(az), Some(kubelogin), Some(program)) =
        (peer("az"), peer("kubelogin"), peer("kubectl"))
    else {
        return;
    };
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: clusters(),
        tenants: 3,
        subscriptions: 9,
        local_accounts: 0.0,
        private: 0.0,
        stopped: 0.0,
        failed: 0.0,
        same_name: 0.0,
        legacy: 0.0,
        ..FleetSpec::default()
    }));
    let fleet = test_env.simulator.fleet();
    let of_tenant = |id: &str| {
        let is_its = |cluster: &&Cluster| {
            let subscription = fleet.subscription(&cluster.subscription_id);
            subscription.is_some_and(|one| one.tenant_id == id)
        };
        fleet
            .clusters
            .iter()
            .find(is_its)
            .expect("each tenant has some")
            .clone()
    };
    let one_each: Vec<_> = fleet
        .tenants
        .iter()
        .map(|tenant| of_tenant(&tenant.id))
        .collect();
    let kubectl = |words: &[&str]| {
        let ran = run(test_env.program(&program).args(words));
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        ran
    };
    let real = RealAz {
        test_env: &test_env,
        program: &az,
    };
    real.sign_in();
    real.get_credentials(&fleet.clusters, &one_each);
    let converted =
        run(test_env
            .program(&kubelogin)
            .args(["convert-kubeconfig", "-l", "azurecli"]));
    assert_eq!(converted.code, 0, "{}", converted.stderr);
    let before = contexts(kubectl);
    assert_eq!(before.len(), clusters() + 3);
    let current = kubectl(&["config", "current-context"]).stdout;

    let adopt = |more: &[&str]| {
        let args = [&["-o", "json", "--adopt"], more].concat();
        run(&mut test_env.sync(&args)).json(0)
    };
    let text = test_env.kubeconfig_text();
    let planned = adopt(&["--dry-run"]);
    assert_eq!(test_env.kubeconfig_text(), text);
    let report = adopt(&[]);
    for report in [&planned, &report] {
        assert_eq!(
            report["summary"]["adopted"],
            clusters(),
            "{}",
            report["summary"]
        );
        let left = report["notAdopted"].as_array().expect("a list");
        let codes: Vec<_> = left.iter().map(|one| &one["code"]).collect();
        assert_eq!(codes, [&json!("credential"); 3]);
    }
    assert_eq!(contexts(kubectl), before);
    assert_eq!(kubectl(&["config", "current-context"]).stdout, current);
    assert!(!test_env.kubeconfig_text().contains("kubelogin"));
    for cluster in &one_each {
        for context in [cluster.name.clone(), format!("{}-admin", cluster.name)] {
            let seen = kubectl(&["--context", &context, "get", "ns"]).stdout;
            assert!(seen.contains("kube-system"), "{context}: {seen}");
        }
    }
    let written = test_env.kubeconfig_text();
    assert_eq!(adopt(&[])["summary"]["unchanged"], clusters());
    let plain = run(&mut test_env.sync(&["-o", "json"])).json(0);
    assert_eq!(plain["summary"]["unchanged"], clusters());
    assert_eq!(plain["duplicates"], json!([]));
    assert_eq!(test_env.kubeconfig_text(), written);
    let listed = run(&mut test_env.aad(&["list", "-e", "AzureStackCloud", "-o", "json"])).json(0);
    let rows = listed["clusters"].as_array().expect("a list").iter();
    let names: BTreeSet<_> = rows.filter_map(|row| row["context"].as_str()).collect();
    let expected: BTreeSet<_> = fleet.clusters.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, expected);
    let back = test_env.convert(&["--exec-command", "kubelogin", "-o", "json"]);
    let back: Value = back.json(0);
    assert_eq!(back["summary"]["failed"], 0, "{back}");
}

#[test]
fn an_output_directory_has_nothing_to_take_over() {
    let test_env = TestEnv::new();
    let ran = run(&mut test_env.sync(&["--adopt", "--output-dir", "fleet"]));
    ran.assert_fails(2, &["--adopt", "--output-dir"]);
}
