//! The real `az`, with the simulator as its cloud.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    env::{Ran, TestEnv, borrowed, run},
    support::peer,
};

struct Az<'a> {
    test_env: &'a TestEnv,
    program: PathBuf,
}

impl<'a> Az<'a> {
    fn registered(test_env: &'a TestEnv, program: PathBuf) -> Self {
        let az = Self { test_env, program };
        test_env.install("az", &az.program);
        let arm = test_env.simulator.arm_url();
        az.succeeds(&[
            "cloud",
            "register",
            "-n",
            "Simulator",
            "--endpoint-resource-manager",
            &arm,
        ]);
        az.succeeds(&["cloud", "set", "-n", "Simulator"]);
        az
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        [
            ("AZURE_CONFIG_DIR", path(&self.test_env.path("real-azure"))),
            ("REQUESTS_CA_BUNDLE", path(&self.test_env.files.ca)),
            ("AZURE_CORE_COLLECT_TELEMETRY", "false".into()),
            ("AZURE_CORE_INSTANCE_DISCOVERY", "false".into()),
            ("AZURE_CORE_LOGIN_EXPERIENCE_V2", "false".into()),
        ]
        .into()
    }

    fn succeeds(&self, words: &[&str]) -> String {
        let mut command = self.test_env.program(&self.program);
        let ran = run(command.args(words).envs(self.variables()));
        assert_eq!(ran.code, 0, "az {words:?}: {}", ran.stderr);
        ran.stdout
    }

    fn login(&self, client_id: &str, secret: &str) {
        let tenant = self.test_env.tenant.as_str();
        self.succeeds(&[
            "login",
            "--service-principal",
            "-u",
            client_id,
            "-p",
            secret,
            "--tenant",
            tenant,
        ]);
    }

    fn get_token(&self) -> Ran {
        let variables = self.variables();
        let env = borrowed(&variables);
        let args = [
            "-l",
            "azurecli",
            "--tenant-id",
            &self.test_env.tenant,
            "--timeout",
            "100s",
        ];
        self.test_env.get_token(&args, &env)
    }
}

#[test]
fn the_token_of_an_account_that_left_the_real_az_never_comes_back() {
    let Some(program) = peer("az") else { return };
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    let first = test_env.principal.clone();
    let mut second = first.clone();
    second.client_id = "11111111-2222-4333-8444-555555555555".into();
    second.oid = "66666666-2222-4333-8444-555555555555".into();
    second.secrets = vec!["planted-second-secret".into()];
    simulator.update(|fleet| fleet.service_principals.push(second.clone()));
    let az = Az::registered(&test_env, program);

    az.login(&first.client_id, first.secret());
    let old = az.get_token();
    assert_eq!(test_env.claims(&old)["oid"], first.oid.as_str());
    simulator.reset();
    assert_eq!(az.get_token().token(), old.token(), "warm");
    assert_eq!(simulator.counters().total(), 0);

    az.succeeds(&["logout", "--username", &first.client_id]);
    let gone = az.get_token();
    assert_eq!(gone.code, 1, "{}", gone.stdout);
    assert!(gone.stderr.contains("az login"), "{}", gone.stderr);

    az.login(&second.client_id, second.secret());
    let other = az.get_token();
    assert_eq!(test_env.claims(&other)["oid"], second.oid.as_str());
}

#[test]
fn sync_looks_in_the_cloud_that_the_real_az_is_set_to() {
    let Some(program) = peer("az") else { return };
    let test_env = TestEnv::new();
    let az = Az::registered(&test_env, program);
    az.login(&test_env.principal.client_id, test_env.principal.secret());
    let sync = |extra: &[&str]| {
        let args = [&["sync", "--timeout", "100s", "-o", "json"], extra].concat();
        run(test_env.aad(&args).envs(az.variables()))
    };
    let report = sync(&[]).json(0);
    assert_eq!(report["summary"]["added"], 1, "{report}");
    assert_eq!(report["tokens"][0]["error"], Value::Null, "{report}");
    let written = test_env.kubeconfig_text();
    assert!(written.contains("value: Simulator\n"), "{written}");
    assert!(written.contains("real-azure\n"), "{written}");
    let refused = sync(&["-e", "AzurePublicCloud"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}
