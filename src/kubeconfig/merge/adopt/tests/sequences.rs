//! Syncs with and without `--adopt` and a template, between what az and people do to the kubeconfig, in any order: each
//! cluster has one context of ours, and nothing of others is lost.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kubeconfig::merged;

/// The clusters of the fleet.
const CLUSTERS: [&str; 3] = ["a", "b", "ä"];
/// What contexts and entries of az and people are called: as clusters are, in other letter cases, and as a template would.
const NAMES: [&str; 6] = ["a", "A", "b", "ä", "x-a", "b-rg"];
const TEMPLATES: [&str; 3] = ["{name}", "x-{name}", "{resource_group}/{name}"];

/// What happens to the kubeconfig. A number chooses among what there is.
#[derive(Clone, Debug)]
enum Step {
    /// az writes a cluster's entry, a context and a user of this kind under these names.
    Az {
        cluster: usize,
        name: usize,
        private: bool,
        user: usize,
    },
    Use(usize),
    Rename(usize),
    Delete(usize),
    Namespace(usize),
    Sync {
        template: Option<usize>,
        adopt: bool,
    },
}
use Step::{Az, Delete, Namespace, Rename, Sync, Use};

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..8_usize;
    prop_oneof![
        3 => (0..CLUSTERS.len(), 0..NAMES.len(), any::<bool>(), 0..4_usize)
            .prop_map(|(cluster, name, private, user)| Az { cluster, name, private, user }),
        1 => number().prop_map(Use),
        1 => number().prop_map(Rename),
        1 => number().prop_map(Delete),
        1 => number().prop_map(Namespace),
        5 => (prop::option::of(0..TEMPLATES.len()), any::<bool>())
            .prop_map(|(template, adopt)| Sync { template, adopt }),
    ]
}

/// The users that az and kubelogin write: three that people sign in with, and the administrator's.
fn user_of_az(kind: usize) -> Value {
    let exec = |args: &[&str]| json!({"exec": {"command": "kubelogin", "args": args}});
    match kind {
        0 => exec(&[
            "get-token",
            "--login",
            "azurecli",
            "--server-id",
            AKS_SERVER_ID,
        ]),
        1 => exec(&[
            "get-token",
            "--server-id",
            AKS_SERVER_ID,
            "--tenant-id",
            TENANT,
        ]),
        2 => exec(&["get-token", "--login", "spn", "--client-id", OTHER]),
        _ => json!({"client-certificate-data": "Q0E=", "client-key-data": "a2V5"}),
    }
}

/// A kubeconfig's value, and what people do to it.
struct Edited(Map<String, Value>);

impl Edited {
    fn list(&mut self, section: Section) -> &mut Vec<Value> {
        let list = self.0.entry(section.list()).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list")
    }

    /// Puts an entry in place of one with its name.
    fn put(&mut self, section: Section, name: &str, item: Value) {
        let list = self.list(section);
        list.retain(|entry| entry["name"] != name);
        list.push(json!({"name": name, section.item(): item}));
    }

    fn context(&mut self, number: usize) -> Option<&mut Value> {
        let list = self.list(Section::Contexts);
        let at = number.checked_rem(list.len())?;
        Some(&mut list[at])
    }

    fn apply(&mut self, step: &Step, at: usize) {
        match *step {
            Az {
                cluster,
                name,
                private,
                user,
            } => self.az(cluster, NAMES[name], private, user),
            Use(number) => {
                let name = self.context(number).map(|one| one["name"].clone());
                self.0
                    .extend(name.map(|name| ("current-context".to_owned(), name)));
            }
            Rename(number) => {
                let new = format!("mine-{at}");
                if let Some(context) = self.context(number) {
                    let old = std::mem::replace(&mut context["name"], json!(new));
                    if self.0.get("current-context") == Some(&old) {
                        self.0["current-context"] = json!(new);
                    }
                }
            }
            Delete(number) => {
                let list = self.list(Section::Contexts);
                if let Some(at) = number.checked_rem(list.len()) {
                    list.remove(at);
                }
            }
            Namespace(number) => {
                if let Some(context) = self.context(number) {
                    context["context"]["namespace"] = json!("team");
                }
            }
            Sync { .. } => {}
        }
    }

    /// az asks before it replaces what is called so: here nothing of that name is replaced.
    fn az(&mut self, cluster: usize, name: &str, private: bool, user: usize) {
        let users = format!("clusterUser_{name}_{user}");
        let is_taken = Section::ALL.into_iter().any(|section| {
            let mut names = self.list(section).iter().map(|entry| &entry["name"]);
            names.any(|one| one == name || *one == *users)
        });
        if is_taken {
            return;
        }
        let zone = if private { "private" } else { "public" };
        let server = format!("https://{}.{zone}.example:443", CLUSTERS[cluster]);
        self.put(Section::Clusters, name, json!({"server": server}));
        self.put(
            Section::Contexts,
            name,
            json!({"cluster": name, "user": users}),
        );
        self.put(Section::Users, &users, user_of_az(user));
    }
}

/// What a kubeconfig says.
struct Said {
    /// The values of the entries, by section and name.
    entries: BTreeMap<(&'static str, String), Value>,
    current: Option<String>,
}

impl Said {
    fn of(text: &str) -> Self {
        let root = root(text);
        let mut entries = BTreeMap::new();
        for section in Section::ALL {
            for entry in root
                .get(section.list())
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let name = entry["name"].as_str().expect("a name").to_owned();
                let before = entries.insert((section.list(), name), entry[section.item()].clone());
                assert_eq!(before, None, "two entries have a name:\n{text}");
            }
        }
        Self {
            entries,
            current: merged::current_context(&root).map(str::to_owned),
        }
    }

    fn get(&self, section: Section, name: &Value) -> Option<&Value> {
        let name = name.as_str()?.to_owned();
        self.entries.get(&(section.list(), name))
    }

    fn contexts(&self) -> impl Iterator<Item = (&str, &Value)> {
        let contexts = self
            .entries
            .iter()
            .filter(|((list, _), _)| *list == "contexts");
        contexts.map(|((_, name), value)| (name.as_str(), value))
    }

    /// The cluster that a context leads to, by its server.
    fn cluster_of(&self, context: &Value) -> Option<&'static str> {
        let server = self.get(Section::Clusters, &context["cluster"])?["server"].as_str()?;
        let host = server.strip_prefix("https://")?.split('.').next()?;
        CLUSTERS.into_iter().find(|name| *name == host)
    }

    fn is_of_ours(&self, context: &Value) -> bool {
        self.get(Section::Users, &context["user"])
            .is_some_and(owner::is_ours)
    }

    /// How many contexts lead to a cluster, and how many of them with a user of ours.
    fn count(&self, cluster: &str) -> (usize, usize) {
        let all = self.contexts().map(|(_, context)| context);
        let all: Vec<_> = all
            .filter(|one| self.cluster_of(one) == Some(cluster))
            .collect();
        let ours = all.iter().filter(|one| self.is_of_ours(one)).count();
        (all.len(), ours)
    }

    /// Whether a context's user is somebody else's that no sync takes over.
    fn stays(&self, context: &Value) -> bool {
        let user = self.get(Section::Users, &context["user"]);
        user.is_some_and(|user| [user_of_az(2), user_of_az(3)].contains(user))
    }
}

fn check(before: &Said, after: &Said, template: bool, adopt: bool) -> Result<(), TestCaseError> {
    for cluster in CLUSTERS {
        let ((all, ours), (now, ours_now)) = (before.count(cluster), after.count(cluster));
        prop_assert!(ours_now >= 1, "`{cluster}` has no context of ours");
        prop_assert!(
            now <= all + usize::from(ours == 0),
            "`{cluster}` got a second one"
        );
    }
    for (name, context) in before.contexts() {
        let now = after.get(Section::Contexts, &json!(name));
        if before.stays(context) {
            prop_assert_eq!(now, Some(context));
            for section in [Section::Clusters, Section::Users] {
                let link = &context[section.item()];
                prop_assert!(
                    after.get(section, link).is_some(),
                    "`{}` leads nowhere",
                    name
                );
            }
            let user = &context["user"];
            prop_assert_eq!(
                after.get(Section::Users, user),
                before.get(Section::Users, user)
            );
        }
        let is_kept = name.starts_with("mine-") || !(template || adopt);
        prop_assert!(!is_kept || now.is_some(), "`{}` is gone", name);
        if !adopt
            && !before.is_of_ours(context)
            && before.get(Section::Users, &context["user"]).is_some()
        {
            prop_assert_eq!(now, Some(context));
        }
    }
    let Some(current) = &before.current else {
        return Ok(());
    };
    let leads =
        |said: &Said, name: &str| said.cluster_of(said.get(Section::Contexts, &json!(name))?);
    let now = after.current.as_deref().unwrap_or_default();
    match leads(before, current) {
        Some(cluster) => prop_assert_eq!(leads(after, now), Some(cluster), "the current context"),
        None => prop_assert_eq!(now, current),
    }
    Ok(())
}

fn sync(text: &str, template: Option<usize>, adopt: bool) -> String {
    let mut merge = adopting();
    merge.options.adopt = adopt;
    merge.options.template = template.map(|at| TEMPLATES[at].parse().expect("a template"));
    merge.run(text, &azurecli(&CLUSTERS)).0
}

proptest! {
    #[test]
    fn whatever_az_and_people_do_each_cluster_has_a_context_and_nothing_of_others_is_lost(
        steps in prop::collection::vec(step(), 1..10),
    ) {
        let mut text = String::new();
        for (at, step) in steps.iter().enumerate() {
            let Sync { template, adopt } = *step else {
                let mut edited = Edited(root(&text));
                edited.apply(step, at);
                text = serde_json::to_string_pretty(&edited.0).expect("JSON");
                continue;
            };
            let before = text;
            text = sync(&before, template, adopt);
            let shown = |why| match why {
                TestCaseError::Fail(why) => TestCaseError::fail(format!("{step:?}: {why}\n{before}\n=>\n{text}")),
                why => why,
            };
            check(&Said::of(&before), &Said::of(&text), template.is_some(), adopt).map_err(shown)?;
            prop_assert_eq!(&sync(&text, template, adopt), &text, "{:?} twice", step);
        }
    }
}
