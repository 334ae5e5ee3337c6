//! What people do to a synced kubeconfig with the real `kubectl config`, drawn at random, and the sync after it: each
//! cluster has its contexts and no second one, each of them leads to its cluster as its person, and what is not ours
//! stays as it was.
//!
//! `AAD_KUBECTL_EDITS=500` plays more than the usual number of cases, `AAD_KUBECTL_EDITS_SEED=7` others.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
};

use azure_sim::{Cluster, Fleet, FleetSpec};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use serde_json::json;
use serde_yaml::Value;

use crate::{
    env::{TestEnv, run},
    support::peer,
};

/// How many cases are played where nobody says.
const CASES: u32 = 8;
/// How often a case that failed is tried in a shorter form.
const SHORTENINGS: u32 = 60;

/// The entries of somebody else, which no edit is about.
const FOREIGN: [&str; 3] = ["their-cluster", "their-context", "their-user"];

/// What `sync` wrote before users were shared, and what a person had then changed in it.
const EARLIER: [&str; 2] = [
    include_str!("earlier/azurecli.yaml"),
    include_str!("earlier/edited.yaml"),
];

/// What `kubectl config` does. A number chooses an entry among those that there are.
#[derive(Clone, Copy, Debug)]
enum Edit {
    DeleteContext(u8),
    DeleteCluster(u8),
    DeleteUser(u8),
    Rename(u8),
    Use(u8),
    Namespace(u8),
    /// A variable for the plugin of a user.
    Variable(u8),
    /// Another context for a context's cluster and user.
    Another(u8),
    /// A context gets the user of somebody else.
    OtherUser(u8),
    /// A context is led to the cluster of somebody else.
    OtherCluster(u8),
}
use Edit::*;

/// What the kubeconfig is at first.
#[derive(Clone, Copy, Debug)]
enum Start {
    Synced,
    /// One of [`EARLIER`].
    Earlier(usize),
}

/// A start, and the edits before each of the syncs.
type Case = (Start, Vec<Vec<Edit>>);

fn edit() -> impl Strategy<Value = Edit> {
    let any = || 0..6_u8;
    prop_oneof![
        4 => any().prop_map(DeleteContext),
        3 => any().prop_map(DeleteCluster),
        3 => any().prop_map(DeleteUser),
        3 => any().prop_map(Rename),
        1 => any().prop_map(Use),
        1 => any().prop_map(Namespace),
        1 => any().prop_map(Variable),
        2 => any().prop_map(Another),
        1 => any().prop_map(OtherUser),
        1 => any().prop_map(OtherCluster),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let start = prop_oneof![
        2 => Just(Start::Synced),
        1 => (0..EARLIER.len()).prop_map(Start::Earlier),
    ];
    let edits = proptest::collection::vec(edit(), 1..5);
    (start, proptest::collection::vec(edits, 1..3))
}

/// A kubeconfig: the values of its entries, by name.
#[derive(Clone, Debug, PartialEq)]
struct Kubeconfig {
    clusters: BTreeMap<String, Value>,
    contexts: BTreeMap<String, Value>,
    users: BTreeMap<String, Value>,
    current: Option<String>,
}

impl Kubeconfig {
    fn parse(text: &str) -> Self {
        let root: Value = serde_yaml::from_str(text).expect("YAML");
        let section = |list: &str, item: &str| {
            let entries = root[list].as_sequence().into_iter().flatten();
            let named = |entry: &Value| {
                let name = entry["name"].as_str().expect("a name").to_owned();
                (name, entry[item].clone())
            };
            entries.map(named).collect()
        };
        let current = root.get("current-context").and_then(Value::as_str);
        Self {
            clusters: section("clusters", "cluster"),
            contexts: section("contexts", "context"),
            users: section("users", "user"),
            current: current.filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }

    /// The name of the entry that is marked as this cluster's.
    fn entry_of(&self, id: &str) -> Option<&str> {
        let mut found = self.clusters.iter().filter(|(_, value)| {
            extension(value)
                .and_then(|ours| ours["armId"].as_str())
                .is_some_and(|marked| marked.eq_ignore_ascii_case(id))
        });
        let (name, _) = found.next()?;
        assert!(found.next().is_none(), "two entries for {id}");
        Some(name)
    }

    /// The contexts that name a cluster entry, which may be missing.
    fn contexts_for(&self, cluster: &str) -> BTreeSet<&str> {
        let contexts = self.contexts.iter();
        contexts
            .filter(|(_, context)| context["cluster"] == *cluster)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Whether a context's user is ours, or has been removed.
    fn has_our_user(&self, context: &str) -> bool {
        let user = self.contexts[context]["user"].as_str().unwrap_or_default();
        self.users
            .get(user)
            .is_none_or(|user| extension(user).is_some())
    }

    /// The entries of somebody else.
    fn foreign(&self) -> [Option<&Value>; 3] {
        [
            self.clusters.get(FOREIGN[0]),
            self.contexts.get(FOREIGN[1]),
            self.users.get(FOREIGN[2]),
        ]
    }
}

/// Our extension in an entry's value.
fn extension(value: &Value) -> Option<&Value> {
    let list = value.get("extensions")?.as_sequence()?;
    let ours = list.iter().find(|one| one["name"] == "kubectl-aad")?;
    Some(&ours["extension"])
}

/// One that a number chooses among names, those of somebody else aside.
fn chosen(names: &BTreeMap<String, Value>, number: u8) -> Option<&str> {
    let ours: Vec<&String> = names
        .keys()
        .filter(|name| !FOREIGN.contains(&name.as_str()))
        .collect();
    let at = usize::from(number).checked_rem(ours.len())?;
    Some(ours[at])
}

struct Player {
    test_env: TestEnv,
    kubectl: PathBuf,
    clusters: Vec<Cluster>,
    /// Who is signed in to az.
    person: String,
    /// What a first sync writes beside somebody else's entries.
    synced: String,
    starts: [String; EARLIER.len()],
}

impl Player {
    fn new(kubectl: PathBuf) -> Self {
        let fleet = fleet();
        let clusters = fleet.clusters.clone();
        let person = fleet.users[0].upn.clone();
        let test_env = TestEnv::with_fleet(fleet);
        write_foreign(&test_env);
        let mut player = Self {
            test_env,
            kubectl,
            clusters,
            person,
            synced: String::new(),
            starts: Default::default(),
        };
        player.sync().expect("it works");
        player.synced = player.text();
        player.starts = EARLIER.map(|text| as_of_now(text, &player.synced));
        player
    }

    fn text(&self) -> String {
        self.test_env.kubeconfig_text()
    }

    fn sync(&self) -> Result<(), String> {
        let synced = run(&mut self.test_env.sync(&["-q"]));
        match synced.code {
            0 => Ok(()),
            code => Err(format!("sync ended with {code}: {}", synced.stderr)),
        }
    }

    fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        let ran = run(self.test_env.program(&self.kubectl).args(args));
        match ran.code {
            0 => Ok(ran.stdout),
            code => Err(format!("{args:?} ended with {code}: {}", ran.stderr)),
        }
    }

    /// Makes an edit, if there is anything to edit. `at` is its own number.
    fn edit(&self, edit: Edit, at: usize) -> Result<(), String> {
        let now = Kubeconfig::parse(&self.text());
        let context = |number| chosen(&now.contexts, number);
        let (Some(name), set) = (
            match edit {
                DeleteCluster(number) => chosen(&now.clusters, number),
                DeleteUser(number) | Variable(number) => chosen(&now.users, number),
                DeleteContext(number)
                | Rename(number)
                | Use(number)
                | Namespace(number)
                | Another(number)
                | OtherUser(number)
                | OtherCluster(number) => context(number),
            },
            "set-context",
        ) else {
            return Ok(());
        };
        let new = format!("new-{at}");
        let link = |field: &str| {
            let context = now.contexts.get(name).map(|context| &context[field]);
            let named = context.and_then(Value::as_str).unwrap_or_default();
            format!("--{field}={named}")
        };
        let [cluster, user] = ["cluster", "user"].map(link);
        let theirs = [
            format!("--cluster={}", FOREIGN[0]),
            format!("--user={}", FOREIGN[2]),
        ];
        let args: &[&str] = match edit {
            DeleteContext(_) => &["delete-context", name],
            DeleteCluster(_) => &["delete-cluster", name],
            DeleteUser(_) => &["delete-user", name],
            Rename(_) => &["rename-context", name, &new],
            Use(_) => &["use-context", name],
            Namespace(_) => &[set, name, "--namespace=kube-system"],
            Variable(_) => &["set-credentials", name, "--exec-env=A=b"],
            Another(_) => &[set, &new, &cluster, &user],
            OtherUser(_) => &[set, name, &theirs[1]],
            OtherCluster(_) => &[set, name, &theirs[0]],
        };
        self.kubectl(&[&["config"], args].concat()).map(drop)
    }

    /// Holds that a context leads to a cluster, as the person.
    fn works(&self, context: &str, cluster: &Cluster) -> Result<(), String> {
        self.test_env.simulator.reset();
        let who = self.kubectl(&["--context", context, "auth", "whoami", "-o", "json"])?;
        if !who.contains(&self.person) {
            return Err(format!("`{context}` is somebody else's: {who}"));
        }
        let requests = self.test_env.simulator.requests();
        let asked: BTreeSet<_> = requests
            .iter()
            .filter(|request| request.path.ends_with("/selfsubjectreviews"))
            .filter_map(|request| request.cluster.as_deref())
            .collect();
        match asked == BTreeSet::from([cluster.address.as_str()]) {
            true => Ok(()),
            false => Err(format!("`{context}` leads to {asked:?}")),
        }
    }

    fn play(&self, (start, rounds): &Case) -> Result<(), String> {
        let text = match start {
            Start::Synced => &self.synced,
            Start::Earlier(which) => &self.starts[*which],
        };
        fs::write(self.test_env.kubeconfig(), text).expect("written");
        let mut at = 0;
        for edits in rounds {
            let before = Kubeconfig::parse(&self.text());
            for edit in edits {
                at += 1;
                self.edit(*edit, at)?;
            }
            let edited_text = self.text();
            let edited = Kubeconfig::parse(&edited_text);
            self.sync()?;
            let after = Kubeconfig::parse(&self.text());
            let shown = |why: String| format!("{why}\n\n{edited_text}\n=>\n{}", self.text());
            self.check(&before, &edited, &after).map_err(shown)?;
            let settled = self.text();
            self.sync()?;
            if self.text() != settled {
                return Err(format!(
                    "a second sync changed\n{settled}\n=>\n{}",
                    self.text()
                ));
            }
        }
        Ok(())
    }

    fn check(
        &self,
        before: &Kubeconfig,
        edited: &Kubeconfig,
        after: &Kubeconfig,
    ) -> Result<(), String> {
        if (after.foreign(), &after.current) != (edited.foreign(), &edited.current) {
            return Err("what is not ours was changed".to_owned());
        }
        for (name, context) in &edited.contexts {
            let kept = after.contexts.get(name).map(|now| &now["namespace"]);
            if kept != Some(&context["namespace"]) {
                return Err(format!("the context `{name}` or its namespace is gone"));
            }
        }
        let mut added: BTreeSet<&str> = after.contexts.keys().map(String::as_str).collect();
        added.retain(|name| !edited.contexts.contains_key(*name));
        for cluster in &self.clusters {
            let new = self.check_cluster(cluster, [before, edited, after], &added)?;
            if let Some(new) = new {
                added.remove(new);
            }
        }
        match added.is_empty() {
            true => Ok(()),
            false => Err(format!("contexts that no cluster lacked: {added:?}")),
        }
    }

    /// Holds that a cluster has its contexts, and that those with users of ours work. Returns the one that it was to get.
    fn check_cluster<'a>(
        &self,
        cluster: &Cluster,
        [before, edited, after]: [&Kubeconfig; 3],
        added: &BTreeSet<&'a str>,
    ) -> Result<Option<&'a str>, String> {
        let entry = after
            .entry_of(&cluster.id)
            .ok_or("a cluster has no entry")?;
        let old = before.entry_of(&cluster.id).ok_or("there was no entry")?;
        let had = edited.contexts_for(old);
        let of_ours = had.iter().any(|context| edited.has_our_user(context));
        let is_there = edited.clusters.contains_key(old);
        if (is_there || of_ours) && entry != old {
            return Err(format!("`{old}` became `{entry}`"));
        }
        let has = after.contexts_for(entry);
        for context in has.iter().filter(|context| after.has_our_user(context)) {
            self.works(context, cluster)?;
        }
        let is_its = |name: &str, context: &Value| {
            name == old || extension(context).is_some_and(|ours| ours["armId"] == *cluster.id)
        };
        let led_elsewhere = edited
            .contexts
            .iter()
            .any(|(name, context)| context["cluster"] == FOREIGN[0] && is_its(name, context));
        let new = added.iter().find(|name| has.contains(**name)).copied();
        match new {
            Some(_) if is_there && !had.is_empty() => Err(format!("`{entry}` had {had:?}")),
            Some(_) if of_ours => Err(format!("`{entry}` had {had:?}")),
            Some(_) if led_elsewhere => Err(format!("`{old}` was led elsewhere")),
            None if has.is_empty() && !led_elsewhere => Err(format!("`{entry}` has no context")),
            new => Ok(new),
        }
    }
}

/// Starts a kubeconfig with the entries of somebody else.
fn write_foreign(test_env: &TestEnv) {
    let foreign = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": FOREIGN[1],
        "clusters": [{"name": FOREIGN[0], "cluster": {"server": "https://127.0.0.1:9"}}],
        "contexts": [{"name": FOREIGN[1], "context": {"cluster": FOREIGN[0], "user": FOREIGN[2]}}],
        "users": [{"name": FOREIGN[2], "user": {"token": "theirs"}}],
    });
    let foreign = serde_yaml::to_string(&foreign).expect("YAML");
    fs::create_dir_all(test_env.path(".kube")).expect("made");
    fs::write(test_env.kubeconfig(), foreign).expect("written");
}

fn fleet() -> Fleet {
    Fleet::generate(&FleetSpec {
        clusters: 3,
        tenants: 2,
        subscriptions: 2,
        ..FleetSpec::default()
    })
}

/// A kubeconfig of an earlier version, with the addresses and the certificate authority of this simulator, which are
/// those in `synced`.
fn as_of_now(earlier: &str, synced: &str) -> String {
    let now = Kubeconfig::parse(synced);
    let ours = now
        .clusters
        .values()
        .find(|value| extension(value).is_some());
    let ours = ours.expect("one was synced");
    let server = ours["server"].as_str().expect("an address");
    let (origin, _) = server.split_once("/clusters/").expect("a path");
    let ca = ours["certificate-authority-data"].as_str().expect("there");
    earlier.replace("ORIGIN", origin).replace("AUTHORITY", ca)
}

fn number(variable: &str, usual: u32) -> u32 {
    env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn whatever_kubectl_did_each_cluster_has_its_contexts_after_a_sync() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let config = Config {
        cases: number("AAD_KUBECTL_EDITS", CASES),
        max_shrink_iters: SHORTENINGS,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number("AAD_KUBECTL_EDITS_SEED", 1).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let player = Player::new(kubectl);
    let result = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        player.play(&case).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{case:?}\n{why}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The entries of a kubeconfig in a text that is the same in any order.
fn sorted(text: &str) -> String {
    let Kubeconfig {
        clusters,
        contexts,
        users,
        ..
    } = Kubeconfig::parse(text);
    serde_yaml::to_string(&[clusters, contexts, users]).expect("YAML")
}

#[test]
fn what_earlier_versions_wrote_becomes_what_a_first_sync_writes() {
    let test_env = TestEnv::with_fleet(fleet());
    for (earlier, args) in [
        (EARLIER[0], &["-q", "--no-warm"][..]),
        (
            include_str!("earlier/devicecode.yaml"),
            &[
                "-q",
                "--no-warm",
                "-l",
                "devicecode",
                "--arm-login",
                "azurecli",
            ],
        ),
    ] {
        let sync = || {
            let synced = run(&mut test_env.sync(args));
            assert_eq!(synced.code, 0, "{}", synced.stderr);
            test_env.kubeconfig_text()
        };
        write_foreign(&test_env);
        let first = sync();
        fs::write(test_env.kubeconfig(), as_of_now(earlier, &first)).expect("written");
        let migrated = sync();
        assert_eq!(sorted(&migrated), sorted(&first));
        assert_eq!(sync(), migrated);
    }
}

#[test]
fn what_a_person_had_changed_in_it_stays_and_works() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let player = Player::new(kubectl);
    let text = &player.starts[1];
    let before = Kubeconfig::parse(text);
    fs::write(player.test_env.kubeconfig(), text).expect("written");
    player.sync().expect("it works");
    let after = Kubeconfig::parse(&player.text());
    assert!(before.contexts.keys().eq(after.contexts.keys()));
    assert_eq!(before.clusters, after.clusters);
    for (name, context) in &after.contexts {
        assert_eq!(context["namespace"], before.contexts[name]["namespace"]);
        assert_eq!(extension(context), None);
        let leads_to = |cluster: &&Cluster| context["cluster"] == cluster.name.as_str();
        if let Some(cluster) = player.clusters.iter().find(leads_to) {
            player.works(name, cluster).expect("it works");
        }
    }
    // The user with a variable of a person's stays one cluster's own; the others share one for each tenant.
    let own = "aks-payments-test-0000";
    assert_eq!(after.users[own], without_hint(&before.users[own]));
    let users: BTreeSet<_> = after.users.keys().map(String::as_str).collect();
    let shared = users
        .iter()
        .filter(|name| name.starts_with("aad:azurecli:"));
    assert_eq!((users.len(), shared.count()), (4, 2), "{users:?}");
    assert_eq!(
        after.contexts["mine"]["user"],
        after.contexts["aks-search-stage-0001"]["user"]
    );
}

/// A user without the hint that earlier versions wrote into it.
fn without_hint(user: &Value) -> Value {
    let mut user = user.clone();
    let exec = user["exec"].as_mapping_mut().expect("a plugin");
    exec.remove("installHint");
    user
}
