use std::{fmt::Write as _, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    fleet::{Action, Change, Coverage, Planned, SignInName, State},
    kubeconfig::merge::{Plan, merge},
    login::AKS_SERVER_ID,
};

mod sequences;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const OTHER: &str = "22222222-2222-2222-2222-222222222222";

fn cluster(name: &str) -> Cluster {
    Cluster {
        id: format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
        ),
        name: name.to_owned(),
        resource_group: "rg".to_owned(),
        subscription_id: SUBSCRIPTION.to_owned(),
        tenant_id: TENANT.to_owned(),
        tenant_domain: Some("contoso.example".to_owned()),
        fqdn: Some(format!("{name}.public.example")),
        private_fqdn: Some(format!("{name}.private.example")),
        ..Cluster::default()
    }
}

/// A cluster that was converted, for the login mode and what else its arguments say.
fn converted(name: &str, mode: &str, more: &[&str]) -> ClusterRun {
    let usual = [
        "get-token",
        "--login",
        mode,
        "--server-id",
        AKS_SERVER_ID,
        "--tenant-id",
        TENANT,
    ];
    let args = [&usual[..], more].concat();
    let object = |value: Value| value.as_object().expect("an object").clone();
    let entries = Entries {
        cluster: object(
            json!({"server": format!("https://{name}.public.example:443"), "certificate-authority-data": "Q0E="}),
        ),
        user: object(json!({"exec": {"command": "kubectl-aad", "args": args}})),
        sign_in: Some(SignInName {
            mode: mode.to_owned(),
            account: more.last().map(|account| (*account).to_owned()),
            ..SignInName::default()
        }),
        token_args: None,
    };
    ClusterRun::new(cluster(name), State::Converted(Arc::new(entries)))
}

fn azurecli(names: &[&str]) -> Vec<ClusterRun> {
    names
        .iter()
        .map(|name| converted(name, "azurecli", &[]))
        .collect()
}

/// The user that kubelogin leaves after `az aks get-credentials`.
fn kubelogin(args: &str) -> String {
    format!(
        "{{exec: {{command: kubelogin, args: [get-token, --server-id, {AKS_SERVER_ID}, {args}]}}}}"
    )
}

/// A kubeconfig in the order of its lists: clusters with their hosts, contexts with more fields, users.
fn kubeconfig(
    clusters: &[(&str, &str)],
    contexts: &[(&str, &str, &str)],
    users: &[(&str, &str)],
) -> String {
    let mut text = "apiVersion: v1\nkind: Config\nclusters:\n".to_owned();
    for (name, host) in clusters {
        writeln!(text, "- name: {name}\n  cluster: {{server: 'https://{host}', certificate-authority-data: b2xk}}").expect("written");
    }
    text.push_str("contexts:\n");
    for (name, cluster, user) in contexts {
        writeln!(
            text,
            "- name: {name}\n  context: {{cluster: {cluster}, user: {user}}}"
        )
        .expect("written");
    }
    text.push_str("users:\n");
    for (name, user) in users {
        writeln!(text, "- name: {name}\n  user: {user}").expect("written");
    }
    text
}

const CERTIFICATE: &str = "{client-certificate-data: Q0E=, client-key-data: a2V5}";

/// What az leaves of a cluster that was fetched with and without `--admin`.
fn of_az(user: &str) -> String {
    kubeconfig(
        &[("prod", "prod.public.example:443")],
        &[
            ("prod", "prod", "clusterUser_rg_prod"),
            ("prod-admin", "prod", "clusterAdmin_rg_prod"),
        ],
        &[
            ("clusterUser_rg_prod", user),
            ("clusterAdmin_rg_prod", CERTIFICATE),
        ],
    ) + "current-context: prod\n"
}

struct Merge {
    options: MergeOptions,
    coverage: Coverage,
}

fn adopting() -> Merge {
    Merge {
        options: MergeOptions {
            adopt: true,
            environment: Some("AzurePublicCloud".to_owned()),
            ..MergeOptions::default()
        },
        coverage: Coverage {
            subscriptions: [SUBSCRIPTION.to_owned()].into(),
            may_set_current_context: true,
            may_migrate: true,
            is_whole_fleet: true,
            ..Coverage::default()
        },
    }
}

fn plain() -> Merge {
    let mut merge = adopting();
    merge.options.adopt = false;
    merge
}

impl Merge {
    /// Merges into files named `0`, `1`, …, of which those in `may_change` may be changed. Returns their new texts.
    fn files(
        &self,
        texts: &[String],
        clusters: &[ClusterRun],
        may_change: &[&str],
    ) -> (Vec<String>, Plan) {
        let names: Vec<_> = (0..texts.len()).map(|i| i.to_string()).collect();
        let files = names.iter().zip(texts);
        let files: Vec<_> = files
            .map(|(name, text)| Document::parse_file(name.as_ref(), text).expect("a kubeconfig"))
            .collect();
        let may = |path: &std::path::Path| {
            may_change
                .iter()
                .any(|one| path == std::path::Path::new(one))
        };
        let targets = TargetFiles::find(&files, "0".into(), may)
            .with_those_of_others(&files, may)
            .adopting(&files, clusters, &self.options);
        let plan = merge(&files, &targets, clusters, &self.coverage, &self.options);
        let texts = files
            .into_iter()
            .zip(texts)
            .zip(&names)
            .map(
                |((file, text), name)| match plan.files.get(std::path::Path::new(name)) {
                    Some(root) => file.render(root).expect("written"),
                    None => text.clone(),
                },
            );
        (texts.collect(), plan)
    }

    fn run(&self, text: &str, clusters: &[ClusterRun]) -> (String, Plan) {
        let (mut texts, plan) = self.files(&[text.to_owned()], clusters, &["0"]);
        (texts.remove(0), plan)
    }
}

fn root(text: &str) -> Map<String, Value> {
    Document::parse(text).expect("a kubeconfig").root().clone()
}

fn item(text: &str, section: Section, name: &str) -> Value {
    let document = Document::parse(text).expect("a kubeconfig");
    document.item(section, name).cloned().unwrap_or(Value::Null)
}

fn names(text: &str, section: Section) -> Vec<String> {
    let document = Document::parse(text).expect("a kubeconfig");
    document.names(section).map(str::to_owned).collect()
}

fn planned(plan: &Plan) -> &Planned {
    plan.clusters[0].planned().expect("planned")
}

fn why(plan: &Plan, context: &str) -> Option<Why> {
    let left = plan.findings.not_adopted.iter();
    let mut left = left.filter(|one| one.context == context);
    left.next().map(|one| one.why.clone())
}

#[test]
fn a_context_of_az_is_taken_over_and_the_administrators_stays_as_it_is() {
    let text = of_az(&kubelogin(
        "--login, devicecode, --tenant-id, contoso.example",
    ));
    let fleet = azurecli(&["prod"]);
    let (new, plan) = adopting().run(&text, &fleet);
    let adopted = Adopted {
        contexts: vec!["prod".to_owned()],
        folded: Vec::new(),
        mode: "azurecli".to_owned(),
        from: vec!["devicecode".to_owned()],
    };
    assert_eq!(
        (planned(&plan).action, &planned(&plan).adopted),
        (Action::Adopted, &adopted)
    );
    assert_eq!(why(&plan, "prod-admin"), Some(Why::Credential));
    assert_eq!(names(&new, Section::Contexts), ["prod", "prod-admin"]);
    assert_eq!(names(&new, Section::Clusters), ["prod"]);
    assert_eq!(
        names(&new, Section::Users),
        ["clusterAdmin_rg_prod", "aad:azurecli"]
    );
    assert_eq!(root(&new)["current-context"], "prod");
    let entry = item(&new, Section::Clusters, "prod");
    assert_eq!(entry["certificate-authority-data"], "Q0E=");
    assert_eq!(
        entry["extensions"][0]["extension"],
        json!({"adopted": true, "armId": cluster("prod").id})
    );
    for (section, name) in [
        (Section::Contexts, "prod-admin"),
        (Section::Users, "clusterAdmin_rg_prod"),
    ] {
        assert_eq!(item(&new, section, name), item(&text, section, name));
    }
    for (merge, action) in [
        (adopting(), Action::Unchanged),
        (plain(), Action::Unchanged),
    ] {
        let (again, plan) = merge.run(&new, &fleet);
        assert_eq!(
            (again.as_str(), planned(&plan).action),
            (new.as_str(), action)
        );
        assert_eq!(plan.findings.duplicates, []);
    }
}

#[test]
fn without_the_flag_what_could_be_taken_over_is_told() {
    let text = of_az(&kubelogin("--login, azurecli"));
    let (_, plan) = plain().run(&text, &azurecli(&["prod"]));
    assert_eq!(planned(&plan).context, "prod-rg");
    let told = plan.findings.duplicates.iter();
    let told: Vec<_> = told
        .map(|one| (one.context.as_str(), one.adoptable))
        .collect();
    assert_eq!(told, [("prod", true), ("prod-admin", false)]);
    assert_eq!(plan.findings.not_adopted, []);
}

#[test]
fn an_administrators_context_alone_is_no_reason_to_take_an_entry_over() {
    let text = kubeconfig(
        &[("prod", "prod.public.example:443")],
        &[("prod-admin", "prod", "clusterAdmin_rg_prod")],
        &[("clusterAdmin_rg_prod", CERTIFICATE)],
    );
    let (new, plan) = adopting().run(&text, &azurecli(&["prod"]));
    assert_eq!(planned(&plan).action, Action::Added);
    assert_eq!(planned(&plan).context, "prod-rg");
    assert_eq!(why(&plan, "prod-admin"), Some(Why::Credential));
    assert_eq!(
        item(&new, Section::Clusters, "prod"),
        item(&text, Section::Clusters, "prod")
    );
}

#[test]
fn an_administrators_context_outlives_the_one_that_was_taken_over() {
    let fleet = azurecli(&["prod"]);
    let (new, _) = adopting().run(&of_az(&kubelogin("--login, azurecli")), &fleet);
    // The cluster is gone: only what was taken over would go.
    let (_, plan) = plain().run(&new, &[]);
    let gone: Vec<_> = plan
        .findings
        .gone
        .iter()
        .map(|one| (one.context.as_str(), one.cluster.as_deref()))
        .collect();
    assert_eq!(gone, [("prod", None)]);
    // The context is deleted: the administrator's does not take its place.
    let start = new.find("- name: prod\n  context").expect("its context");
    let end = new.find("- name: prod-admin").expect("the administrator's");
    let without = format!("{}{}", &new[..start], &new[end..]);
    let (added, plan) = plain().run(&without, &fleet);
    assert_eq!(planned(&plan).context, "prod");
    assert_eq!(
        item(&added, Section::Contexts, "prod")["user"],
        "aad:azurecli"
    );
    assert_eq!(
        item(&added, Section::Contexts, "prod-admin"),
        item(&new, Section::Contexts, "prod-admin")
    );
    let (_, plan) = plain().run(&without, &[]);
    assert_eq!(plan.findings.gone, []);
}

/// The run's login mode and its other arguments, whether a flag chose it, somebody else's user, and why it stays.
type Case<'a> = (&'a str, &'a [&'a str], bool, String, Option<Why>);

#[test]
fn whoever_signs_in_is_never_exchanged_silently() {
    let person = |mode: &str, more: &str| kubelogin(&format!("--login, {mode}{more}"));
    let ada = ", --login-hint, ada@contoso.example";
    let app = format!(", --client-id, {OTHER}");
    let cases: &[Case<'_>] = &[
        ("azurecli", &[], false, person("interactive", ""), None),
        ("azurecli", &[], false, person("devicecode", &app), None),
        ("azurecli", &[], false, "{auth-provider: {name: azure, config: {apiserver-id: 6dae42f8-4368-4678-94ff-3960e28e3630}}}".to_owned(), None),
        ("azurecli", &[], false, "{exec: {command: /opt/kubectl-aad, args: [get-token, -l, azd]}}".to_owned(), None),
        ("azurecli", &[], true, person("interactive", ada), Some(Why::Account("ada@contoso.example".to_owned()))),
        ("interactive", &["--login-hint", "ADA@contoso.example"], false, person("interactive", ada), None),
        ("interactive", &["--login-hint", "grace@contoso.example"], true, person("interactive", ada), Some(Why::Account("ada@contoso.example".to_owned()))),
        ("azurecli", &[], false, person("azurecli", ", --subscription, Production"), Some(Why::Account("Production".to_owned()))),
        ("azurecli", &[], true, person("spn", &app), Some(Why::Account(OTHER.to_owned()))),
        ("spn", &["--client-id", OTHER], false, person("spn", &app), None),
        ("workloadidentity", &["--client-id", OTHER], false, person("spn", &app), None),
        ("msi", &["--client-id", OTHER], false, person("spn", &app), None),
        ("spn", &["--client-id", TENANT], true, person("spn", &app), Some(Why::Account(OTHER.to_owned()))),
        ("azurecli", &[], false, person("msi", ""), Some(Why::LoginMode("msi".to_owned()))),
        ("msi", &[], false, person("devicecode", ""), Some(Why::LoginMode("devicecode".to_owned()))),
        ("msi", &[], true, person("devicecode", ""), None),
        ("azurecli", &[], true, person("azurecli", &format!(", --tenant-id, {OTHER}")), Some(Why::Tenant(OTHER.to_owned()))),
        ("azurecli", &[], true, person("azurecli", ", --tenant-id, fabrikam.example"), Some(Why::Tenant("fabrikam.example".to_owned()))),
        ("azurecli", &[], false, person("azurecli", ", --tenant-id, Contoso.example"), None),
        ("azurecli", &[], true, format!("{{exec: {{command: kubelogin, args: [get-token, --server-id, {OTHER}]}}}}"), Some(Why::ServerApplication(OTHER.to_owned()))),
        ("azurecli", &[], true, person("interactive", ", --pop-enabled, --pop-claims, u=/x"), Some(Why::More("--pop-enabled".to_owned()))),
        ("azurecli", &[], true, person("spn", ", --client-secret, hunter2"), Some(Why::More("--client-secret".to_owned()))),
        ("azurecli", &[], true, "{exec: {command: kubelogin, args: [get-token], env: [{name: AZURE_CONFIG_DIR, value: /x}]}}".to_owned(), Some(Why::More("AZURE_CONFIG_DIR".to_owned()))),
        ("azurecli", &[], true, "{exec: {command: kubelogin, args: [get-token]}, as: admin}".to_owned(), Some(Why::More("as".to_owned()))),
        ("azurecli", &[], true, "{exec: {command: kubelogin, args: [get-token, --login, new]}}".to_owned(), Some(Why::OtherProgram)),
        ("azurecli", &[], true, "{exec: {command: aws, args: [eks, get-token]}}".to_owned(), Some(Why::OtherProgram)),
        ("azurecli", &[], true, "{exec: {command: kubelogin, args: [get-token, --oidc-issuer-url=x]}}".to_owned(), Some(Why::OtherProgram)),
        ("azurecli", &[], true, person("azurecli", ", --environment, AzureChinaCloud"), Some(Why::Environment("AzureChinaCloud".to_owned()))),
        ("azurecli", &[], false, person("azurecli", ", --environment, AzureCloud"), None),
        ("msi", &["--client-id", OTHER], true, person("msi", ""), Some(Why::Account("msi without --client-id".to_owned()))),
        ("spn", &["--client-id", OTHER], true, person("spn", ", --use-azurerm-env-vars"), Some(Why::More("--use-azurerm-env-vars".to_owned()))),
        ("spn", &["--client-id", OTHER], true, person("spn", &format!("{app}, --client-certificate, /theirs.pem")), Some(Why::More("--client-certificate".to_owned()))),
        ("workloadidentity", &["--client-id", OTHER], true, person("workloadidentity", ", --federated-token-file, /theirs"), Some(Why::More("--federated-token-file".to_owned()))),
        ("workloadidentity", &["--client-id", OTHER], true, person("workloadidentity", ", --authority-host, https://theirs/"), Some(Why::More("--authority-host".to_owned()))),
        ("devicecode", &[], true, person("devicecode", ", --token-cache-dir, /of/grace"), Some(Why::More("--cache-dir".to_owned()))),
        ("devicecode", &["--cache-dir", "/of/grace"], true, person("devicecode", ", --token-cache-dir, /of/grace"), None),
        ("azurecli", &[], true, person("azurecli", ", --identity=other"), Some(Why::More("--identity".to_owned()))),
        ("azurecli", &[], true, person("azurecli", ", --v=5, -v, '5', --legacy"), None),
        ("azurecli", &[], true, "{exec: {command: /opt/kubelogin-as-grace.sh, args: [get-token]}}".to_owned(), Some(Why::OtherProgram)),
        ("azurecli", &[], true, "{exec: {command: 'C:\\kubelogin.exe', args: [get-token]}}".to_owned(), None),
        ("msi", &[], true, person("devicecode", &format!(", --tenant-id, {OTHER}")), Some(Why::Tenant(OTHER.to_owned()))),
        ("azurecli", &[], true, "{token: t}".to_owned(), Some(Why::Credential)),
        ("azurecli", &[], true, "{username: u, password: p}".to_owned(), Some(Why::Credential)),
        ("azurecli", &[], true, "{}".to_owned(), Some(Why::NoUser)),
    ];
    for (mode, more, is_chosen, user, expected) in cases {
        let mut merge = adopting();
        merge.options.mode_is_chosen = *is_chosen;
        let text = of_az(user);
        let (new, plan) = merge.run(&text, &[converted("prod", mode, more)]);
        assert_eq!(why(&plan, "prod"), *expected, "{mode} {more:?}: {user}");
        if expected.is_some() {
            assert_eq!(planned(&plan).action, Action::Added, "{user}");
            for section in [Section::Clusters, Section::Contexts] {
                assert_eq!(item(&new, section, "prod"), item(&text, section, "prod"));
            }
            let user = "clusterUser_rg_prod";
            assert_eq!(
                item(&new, Section::Users, user),
                item(&text, Section::Users, user)
            );
        }
    }
}

#[test]
fn what_a_person_added_to_the_entries_stays() {
    let text = kubeconfig(&[], &[], &[("u", &kubelogin("--login, azurecli"))]).replace(
        "contexts:\n",
        "- name: prod
  cluster:
    server: HTTPS://prod.private.EXAMPLE./
    proxy-url: http://proxy
    tls-server-name: t
    certificate-authority: /etc/ca.pem
    extensions: [{name: mine, extension: 1}]
contexts:
- name: a
  context: {cluster: prod, user: u, namespace: a, extensions: [{name: mine, extension: 2}]}
- name: b
  context: {cluster: prod, user: u, namespace: b}
",
    );
    let (new, plan) = adopting().run(&text, &azurecli(&["prod"]));
    assert_eq!(planned(&plan).adopted.contexts, ["a", "b"]);
    let entry = item(&new, Section::Clusters, "prod");
    assert_eq!(entry["server"], "https://prod.public.example:443");
    for (field, value) in [
        ("proxy-url", "http://proxy"),
        ("tls-server-name", "t"),
        ("certificate-authority", "/etc/ca.pem"),
    ] {
        assert_eq!(entry[field], value);
    }
    assert_eq!(entry["extensions"][0]["name"], "mine");
    for name in ["a", "b"] {
        let mut context = item(&text, Section::Contexts, name);
        context["user"] = json!("aad:azurecli");
        assert_eq!(item(&new, Section::Contexts, name), context);
    }
    assert_eq!(names(&new, Section::Users), ["aad:azurecli"]);
    assert_eq!(planned(&plan).changes, [Change::Server]);
}

/// A kubeconfig of az's and kubelogin's, to which a sync without `--adopt` added a context.
fn with_a_second(fleet: &[ClusterRun]) -> String {
    let (text, plan) = plain().run(&of_az(&kubelogin("--login, azurecli")), fleet);
    assert_eq!(planned(&plan).context, "prod-rg");
    text
}

#[test]
fn the_second_context_of_an_earlier_sync_is_folded_in() {
    let fleet = azurecli(&["prod"]);
    let second = with_a_second(&fleet);
    let current = second.replace("current-context: prod\n", "current-context: prod-rg\n");
    let (new, plan) = adopting().run(&current, &fleet);
    assert_eq!(planned(&plan).adopted.folded, ["prod-rg"]);
    assert_eq!(names(&new, Section::Contexts), ["prod", "prod-admin"]);
    assert_eq!(names(&new, Section::Clusters), ["prod"]);
    assert_eq!(
        names(&new, Section::Users),
        ["clusterAdmin_rg_prod", "aad:azurecli"]
    );
    assert_eq!(root(&new)["current-context"], "prod");
    assert_eq!(adopting().run(&new, &fleet).0, new);
    assert_eq!(plain().run(&new, &fleet).0, new);
}

#[test]
fn what_a_person_added_to_the_second_context_is_not_lost() {
    let fleet = azurecli(&["prod"]);
    let second = with_a_second(&fleet);
    let own = "    user: aad:azurecli\n  name: prod-rg\n";
    let server = second
        .rfind("    server: https://prod.public")
        .expect("our entry");
    let with_field = |field: &str| format!("{}{field}{}", &second[..server], &second[server..]);
    // What means the same there moves along.
    let proxied = with_field("    proxy-url: http://proxy\n");
    let (new, _) = adopting().run(&proxied, &fleet);
    assert_eq!(
        item(&new, Section::Clusters, "prod")["proxy-url"],
        "http://proxy"
    );
    assert_eq!(names(&new, Section::Clusters), ["prod"]);
    // What does not stays beside it.
    for kept in [
        second.replace(own, &format!("    namespace: shop\n{own}")),
        with_field("    insecure-skip-tls-verify: true\n").replacen(
            "    certificate-authority-data: Q0E=\n",
            "",
            1,
        ),
        second.replace(own, &format!("    # mine\n{own}")),
    ] {
        assert_ne!(kept, second);
        let (new, plan) = adopting().run(&kept, &fleet);
        assert_eq!(planned(&plan).adopted.folded, [""; 0]);
        assert_eq!(
            names(&new, Section::Contexts),
            ["prod", "prod-admin", "prod-rg"]
        );
        assert_eq!(
            item(&new, Section::Contexts, "prod-rg")["user"],
            "aad:azurecli"
        );
        assert_eq!(adopting().run(&new, &fleet).0, new);
        assert_eq!(plain().run(&new, &fleet).0, new);
    }
    // The namespace that the run gives is nobody's addition.
    let mut merge = adopting();
    merge.options.namespace = Some("shop".to_owned());
    let given = second.replace(own, &format!("    namespace: shop\n{own}"));
    let (new, _) = merge.run(&given, &fleet);
    assert_eq!(names(&new, Section::Contexts), ["prod", "prod-admin"]);
    assert_eq!(item(&new, Section::Contexts, "prod")["namespace"], "shop");
}

#[test]
fn other_contexts_of_our_second_entry_still_work() {
    let fleet = azurecli(&["prod"]);
    let second = with_a_second(&fleet);
    let add = |user: &str| {
        second.replacen(
            "contexts:\n",
            &format!("contexts:\n- name: mine\n  context: {{cluster: prod-rg, user: {user}}}\n"),
            1,
        )
    };
    let (new, _) = adopting().run(&add("'aad:azurecli'"), &fleet);
    assert_eq!(
        names(&new, Section::Contexts),
        ["mine", "prod", "prod-admin"]
    );
    assert_eq!(item(&new, Section::Contexts, "mine")["cluster"], "prod");
    assert_eq!(names(&new, Section::Clusters), ["prod"]);
    // A person's user is theirs: its context keeps its entry.
    let theirs = add("clusterAdmin_rg_prod");
    let (new, _) = adopting().run(&theirs, &fleet);
    assert_eq!(
        names(&new, Section::Contexts),
        ["mine", "prod", "prod-admin"]
    );
    assert_eq!(
        item(&new, Section::Contexts, "mine"),
        item(&theirs, Section::Contexts, "mine")
    );
    assert_eq!(names(&new, Section::Clusters), ["prod", "prod-rg"]);
    assert_eq!(adopting().run(&new, &fleet).0, new);
    assert_eq!(plain().run(&new, &fleet).0, new);
}

#[test]
fn of_two_entries_for_a_cluster_that_with_the_written_address_is_taken_over() {
    let user = kubelogin("--login, azurecli");
    let text = kubeconfig(
        &[
            ("inside", "prod.private.example"),
            ("outside", "prod.public.example"),
            ("copy", "prod.public.example:443"),
        ],
        &[
            ("inside", "inside", "u"),
            ("outside", "outside", "u"),
            ("copy", "copy", "u"),
        ],
        &[("u", &user)],
    );
    let fleet = azurecli(&["prod"]);
    let (new, plan) = adopting().run(&text, &fleet);
    assert_eq!(planned(&plan).adopted.contexts, ["outside", "copy"]);
    assert_eq!(why(&plan, "inside"), Some(Why::OtherEntry));
    for section in [Section::Clusters, Section::Contexts] {
        assert_eq!(
            item(&new, section, "inside"),
            item(&text, section, "inside")
        );
    }
    assert_eq!(
        names(&new, Section::Contexts),
        ["inside", "outside", "copy"]
    );
    let (again, plan) = adopting().run(&new, &fleet);
    assert_eq!(
        (again.as_str(), planned(&plan).action),
        (new.as_str(), Action::Unchanged)
    );
    assert_eq!(why(&plan, "inside"), Some(Why::OtherEntry));
}

#[test]
fn an_address_that_two_clusters_have_says_nothing() {
    let mut fleet = azurecli(&["prod", "twin"]);
    fleet[1].cluster.private_fqdn = Some("prod.public.example".to_owned());
    let text = of_az(&kubelogin("--login, azurecli"));
    for _ in 0..2 {
        fleet.reverse();
        let (new, plan) = adopting().run(&text, &fleet);
        assert!(
            plan.clusters
                .iter()
                .all(|run| run.planned().expect("planned").action == Action::Added)
        );
        assert_eq!(
            item(&new, Section::Clusters, "prod"),
            item(&text, Section::Clusters, "prod")
        );
    }
}

#[test]
fn only_files_that_may_be_changed_are() {
    let own = String::new();
    let theirs = of_az(&kubelogin("--login, azurecli"));
    let files = [own, theirs.clone()];
    let fleet = azurecli(&["prod"]);
    let (new, plan) = adopting().files(&files, &fleet, &["0", "1"]);
    assert_eq!(new[0], "");
    assert_eq!(planned(&plan).file, PathBuf::from("1"));
    assert_eq!(
        names(&new[1], Section::Users),
        ["clusterAdmin_rg_prod", "aad:azurecli"]
    );
    assert_eq!(adopting().files(&new, &fleet, &["0", "1"]).0, new);
    let (new, plan) = adopting().files(&files, &fleet, &["0"]);
    assert_eq!(new[1], theirs);
    assert_eq!(why(&plan, "prod"), Some(Why::ReadOnly));
    // What another file's entry hides is not touched.
    let shown = kubeconfig(
        &[("prod", "elsewhere.example")],
        &[("prod", "prod", "x")],
        &[("x", "{token: t}")],
    );
    let hidden = [shown, theirs.clone()];
    let (new, _) = adopting().files(&hidden, &fleet, &["0", "1"]);
    assert_eq!(new[1], theirs);
}

#[test]
fn our_own_second_context_in_another_file_goes_or_nothing_is_taken_over() {
    let fleet = azurecli(&["prod"]);
    let theirs = of_az(&kubelogin("--login, azurecli"));
    let (files, plan) = plain().files(&[String::new(), theirs.clone()], &fleet, &["0", "1"]);
    assert_eq!(planned(&plan).context, "prod-rg");
    let (new, plan) = adopting().files(&files, &fleet, &["0", "1"]);
    assert_eq!(planned(&plan).adopted.folded, ["prod-rg"]);
    assert_eq!(names(&new[0], Section::Contexts), [""; 0]);
    assert_eq!(names(&new[1], Section::Contexts), ["prod", "prod-admin"]);
    assert_eq!(adopting().files(&new, &fleet, &["0", "1"]).0, new);
    let renamed = files[0].replace("  name: prod-rg\n", "  name: mine\n");
    let files = [
        renamed.replacen("  name: mine\n", "  name: prod-rg\n", 1),
        theirs,
    ];
    assert_eq!(names(&files[0], Section::Contexts), ["mine"]);
    let (new, plan) = adopting().files(&files, &fleet, &["0", "1"]);
    assert_eq!(new, files);
    assert_eq!(why(&plan, "prod"), Some(Why::OwnEntry));
}

#[test]
fn a_cluster_that_failed_is_left() {
    let text = of_az(&kubelogin("--login, azurecli"));
    let mut fleet = azurecli(&["prod"]);
    fleet[0].state = State::Failed(crate::error::Failure::new("no"));
    let (new, plan) = adopting().run(&text, &fleet);
    assert_eq!(new, text);
    assert_eq!(plan.findings.not_adopted, []);
}
