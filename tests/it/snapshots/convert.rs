//! What `convert-kubeconfig` reports and writes.

use super::{Page, TestEnv};
use azure_sim::{Fleet, FleetSpec};

const KUBECONFIG: &str = r#"apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: prod # keep this comment
  cluster: {server: "https://prod.example"}
contexts:
- name: prod
  context: {cluster: prod, user: prod}
- name: old
  context: {cluster: prod, user: old}
users:
- name: prod
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: kubelogin
      args:
      - get-token
      - --login
      - devicecode
      - --server-id
      - 6dae42f8-4368-4678-94ff-3960e28e3630
      - --client-id
      - 80faf920-1908-4b52-b5ef-a8e7bedfc67a
      - --tenant-id
      - contoso.example
- name: old
  user:
    auth-provider:
      name: azure
      config:
        apiserver-id: 6dae42f8-4368-4678-94ff-3960e28e3630
        client-id: 80faf920-1908-4b52-b5ef-a8e7bedfc67a
        environment: AzurePublicCloud
        tenant-id: contoso.example
- name: application
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: kubelogin
      args: [get-token, -l, spn, --server-id, server, --client-id, app, --client-secret, hunter2, --tenant-id, contoso.example]
- name: incomplete
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: kubelogin
      args: [get-token, -l, devicecode]
- name: somebody
  user: {token: hunter2}
"#;

fn test_env() -> TestEnv {
    let test_env = TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        clusters: 0,
        ..FleetSpec::default()
    }));
    std::fs::create_dir_all(test_env.path(".kube")).expect("made");
    std::fs::write(test_env.kubeconfig(), KUBECONFIG).expect("written");
    test_env
}

#[test]
fn convert_reports() {
    let test_env = test_env();
    let mut page = Page::new(&test_env);
    page.run("convert-kubeconfig --dry-run");
    page.run("convert-kubeconfig -l azurecli --dry-run");
    page.run("convert-kubeconfig -l azurecli --dry-run -o json");
    page.assert("convert_dry_run");
    let mut page = Page::new(&test_env);
    page.run("convert-kubeconfig -l azurecli --strict");
    page.run("convert-kubeconfig -l azurecli --context prod");
    page.run("convert-kubeconfig -l azurecli --login-hint ann@contoso.example");
    page.run("convert-kubeconfig -l azurecli");
    page.run("convert-kubeconfig -l azurecli -o json");
    page.file(&test_env.kubeconfig());
    page.note("a secret as a flag");
    page.run("convert-kubeconfig -l spn --client-id app --client-secret hunter3 --context prod");
    page.run("convert-kubeconfig -l spn --context prod --dry-run");
    page.note("another plugin");
    page.run("convert-kubeconfig --exec-command kubelogin --dry-run");
    page.run("convert-kubeconfig -l devicecode");
    page.run("convert-kubeconfig --context staging");
    page.assert("convert");
}

#[test]
fn nothing_to_convert() {
    let test_env = test_env();
    let mut page = Page::new(&test_env);
    let others =
        "apiVersion: v1\nkind: Config\nusers:\n- name: somebody\n  user: {token: hunter2}\n";
    std::fs::write(test_env.kubeconfig(), others).expect("written");
    page.run("convert-kubeconfig -l azurecli");
    page.run("convert-kubeconfig -l azurecli -o json");
    std::fs::remove_file(test_env.kubeconfig()).expect("ours");
    page.run("convert-kubeconfig -l azurecli");
    page.assert("convert_nothing");
}
