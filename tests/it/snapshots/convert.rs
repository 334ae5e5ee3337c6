//! What `convert-kubeconfig` reports and writes.

use super::{Page, TestEnv};
use crate::env::{AtATerminal, Size};
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
    page.run("convert-kubeconfig --dry-run -o diff");
    page.run("convert-kubeconfig -l azurecli --dry-run");
    page.run("convert-kubeconfig -l azurecli --dry-run -o diff");
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
    page.run("convert-kubeconfig --exec-command kubelogin --dry-run -o diff");
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

/// A kubeconfig of these users, each with its arguments and a context of its name.
fn users(users: &[(String, String)]) -> String {
    let mut text = String::from("apiVersion: v1\nkind: Config\ncontexts:\n");
    for (name, _) in users {
        text.push_str(&format!(
            "- name: {name}\n  context: {{cluster: {name}, user: {name}}}\n"
        ));
    }
    text.push_str("users:\n");
    for (name, args) in users {
        text.push_str(&format!(
            "- name: {name}\n  user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: kubelogin, args: [get-token, {args}]}}}}\n"
        ));
    }
    text
}

/// A fleet's users: 12 people of `devicecode`, 300 that lack a server, 5 in `azurecli` that lack a tenant, an application.
fn fleet() -> Vec<(String, String)> {
    let aks = "--server-id, 6dae42f8-4368-4678-94ff-3960e28e3630";
    let people = (0..12).map(|i| {
        let args = format!("-l, devicecode, {aks}, --client-id, c, --tenant-id, t");
        (
            format!("clusterUser_rg-payments-prod_aks-payments-{i:04}"),
            args,
        )
    });
    let broken = (0..300).map(|i| (format!("broken-{i:03}"), "-l, devicecode".to_owned()));
    let no_tenant = (0..5).map(|i| (format!("az-{i}"), format!("-l, azurecli, {aks}")));
    let args =
        format!("-l, spn, {aks}, --client-id, app, --client-secret, hunter2, --tenant-id, t");
    let application = std::iter::once(("application".to_owned(), args));
    people
        .chain(broken)
        .chain(no_tenant)
        .chain(application)
        .collect()
}

#[test]
fn many_users() {
    let test_env = test_env();
    std::fs::write(test_env.kubeconfig(), users(&fleet())).expect("written");
    let mut page = Page::new(&test_env);
    for line in [
        "convert-kubeconfig -l interactive --dry-run",
        "convert-kubeconfig -l interactive --strict",
        "convert-kubeconfig -l interactive",
        "convert-kubeconfig -l interactive -q",
        "convert-kubeconfig --dry-run",
        "convert-kubeconfig",
        "convert-kubeconfig",
    ] {
        page.run(line);
    }
    page.note("only failures, to a file");
    let text = users(&fleet()[12..312]);
    std::fs::write(test_env.kubeconfig(), text).expect("written");
    page.run("convert-kubeconfig -l azurecli");
    page.run("convert-kubeconfig -l azurecli --outfile /nowhere/ci.yaml");
    page.run("convert-kubeconfig -l azurecli --outfile -");
    page.run("convert-kubeconfig -l azurecli --dry-run");
    page.assert("convert_many_users");
}

#[test]
fn one_file_several_files_and_other_files() {
    let test_env = test_env();
    let all = fleet();
    let write = || {
        std::fs::write(test_env.path("one.yaml"), users(&all[..2])).expect("written");
        std::fs::write(test_env.path("two.yaml"), users(&all[2..5])).expect("written");
        std::fs::write(test_env.path("none.yaml"), "users: []\n").expect("written");
    };
    let home = test_env.path("").display().to_string();
    let home = home.trim_end_matches('/');
    let files = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| format!("{home}/{name}")).collect();
        format!("KUBECONFIG={}", paths.join(":"))
    };
    let both = files(&["one.yaml", "two.yaml", "none.yaml"]);
    let one = files(&["one.yaml", "none.yaml"]);
    write();
    let mut page = Page::new(&test_env);
    for (files, line) in [
        (&both, "-l azurecli --dry-run"),
        (&both, "-l azurecli --context az-0"),
        (&both, "-l azurecli"),
        (&both, "-l azurecli"),
        (&one, "-l azurecli"),
    ] {
        page.run(&format!("{files} convert-kubeconfig {line}"));
    }
    write();
    page.note("another file");
    for line in [
        "-l azurecli --dry-run --outfile ~/ci.yaml",
        "-l azurecli --dry-run --outfile -",
        "-l azurecli --outfile ~/ci.yaml",
        "--kubeconfig ~/ci.yaml -l azurecli --outfile ~/again.yaml",
        "--kubeconfig ~/ci.yaml -l azurecli --outfile ~/again.yaml --dry-run",
        "--kubeconfig ~/none.yaml -l azurecli --outfile ~/again.yaml",
        "--exec-command kubelogin -l azurecli --outfile ~/ci.yaml",
        "--outfile ~/ci.yaml",
        "-l azurecli --outfile - -o json",
    ] {
        page.run(&format!(
            "KUBECONFIG={home}/one.yaml convert-kubeconfig {line}"
        ));
    }
    page.assert("convert_files");
}

#[test]
fn users_that_were_named_and_are_of_another_plugin() {
    let test_env = test_env();
    let oidc = "apiVersion: v1\nkind: Config\ncontexts:\n- name: a\n  context: {cluster: a, user: a}\n- name: b\n  context: {cluster: b, user: b}\n- name: c\n  context: {cluster: c, user: c}\nusers:\n- name: a\n  user: {token: hunter2}\n- name: b\n  user: {token: hunter2}\n- name: c\n  user: {exec: {command: kubelogin, args: [get-token, --oidc-issuer-url=https://i]}}\n";
    std::fs::write(test_env.kubeconfig(), oidc).expect("written");
    let mut page = Page::new(&test_env);
    page.run("convert-kubeconfig -l azurecli --context a --context b --context c");
    page.run("convert-kubeconfig -l azurecli --context c -o json");
    page.assert("convert_left_alone");
}

#[test]
fn a_conversion_at_a_terminal() {
    let test_env = test_env();
    let text = users(&fleet());
    let mut page = Page::new(&test_env);
    for size in [Size::SMALL, Size::LARGE] {
        for line in [
            "-l interactive --dry-run",
            "-l interactive",
            "-l interactive --context az-0",
        ] {
            std::fs::write(test_env.kubeconfig(), &text).expect("written");
            let line = format!("convert-kubeconfig {line}");
            let mut command = super::command(&test_env, &line);
            command.env("LANG", "C.UTF-8");
            let seen = AtATerminal::start(command, size).finish();
            page.note(&format!("{} columns: {line}", size.columns));
            page.add(&seen.screen.text());
        }
    }
    page.assert("convert_terminal");
}
