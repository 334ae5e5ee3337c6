//! `convert-kubeconfig` beside the real kubelogin: the same files, flags and variables to both.
//!
//! Exec entries must be equal, or differ in a way that `docs/kubelogin-compat.md` lists; and each
//! way that it lists must turn up. The cases come from a fixed seed, so they are the same every time.

mod cases;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use azure_sim::AKS_SERVER_APP;
use serde_yaml::{Mapping, Value};

use self::cases::{env_of, flags_of, kubeconfig, user_of};
use crate::{
    env::{PROGRAM, TestEnv, run},
    layout::Random,
    support::{peer, repository},
};

const CASES: usize = 1_008;

const MODES: [&str; 9] = [
    "devicecode",
    "interactive",
    "spn",
    "ropc",
    "msi",
    "azurecli",
    "azd",
    "workloadidentity",
    "azurepipelines",
];

#[test]
fn exec_entries_equal_kubelogins_or_differ_as_documented() {
    let Some(kubelogin) = peer("kubelogin") else {
        return;
    };
    let documented = documented();
    let seen = Mutex::new(BTreeSet::new());
    let faults = Mutex::new(Vec::new());
    let converted = AtomicUsize::new(0);
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let test_env = TestEnv::without_az();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= CASES {
                        return;
                    }
                    let case = Case::new(number as u64);
                    let theirs = case.run(&test_env, &kubelogin, &[]);
                    let own = ["--exec-command", "kubelogin", "--strict"];
                    let ours = case.run(&test_env, PROGRAM.as_ref(), &own);
                    let mut differences = BTreeSet::new();
                    let fault = case.compare(&theirs, &ours, &mut differences);
                    if theirs.succeeded {
                        converted.fetch_add(1, Ordering::SeqCst);
                    }
                    seen.lock().expect("no panic").extend(differences.clone());
                    let unlisted: Vec<_> = differences.difference(&documented).collect();
                    if fault.is_some() || !unlisted.is_empty() {
                        faults.lock().expect("no panic").push(format!(
                            "case {number}: {unlisted:?} {}\n{case:?}\nkubelogin: {:?} {}\nours: {:?} {}\n",
                            fault.unwrap_or_default(),
                            theirs.config,
                            theirs.stderr,
                            ours.config,
                            ours.stderr,
                        ));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    assert!(
        faults.is_empty(),
        "{} of {CASES} cases differ:\n{}\nthe first:\n{}",
        faults.len(),
        faults
            .iter()
            .filter_map(|fault| fault.lines().next())
            .collect::<Vec<_>>()
            .join("\n"),
        faults[0]
    );
    let seen = seen.into_inner().expect("no panic");
    let stale: Vec<_> = documented.difference(&seen).collect();
    assert!(stale.is_empty(), "documented but never seen: {stale:?}");
    let converted = converted.into_inner();
    assert!(
        converted > CASES / 3,
        "kubelogin refused too many cases to show much: {converted}"
    );
}

/// The ids in the table of the section on this command.
fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(repository().join("docs/kubelogin-compat.md")).expect("the page");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("convert-kubeconfig"))
        .expect("the section");
    let ids: BTreeSet<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    assert!(!ids.is_empty(), "the section lists no difference");
    ids
}

#[derive(Debug)]
struct Case {
    kubeconfig: String,
    users: Vec<User>,
    flags: Vec<String>,
    env: Vec<(&'static str, String)>,
}

/// What the comparison has to know of a user that was generated.
#[derive(Debug, Default)]
struct User {
    name: String,
    oidc: bool,
    env: bool,
    interactive: Option<&'static str>,
    cluster_info: bool,
    v1: bool,
    hint: bool,
    attached_flags: bool,
    repeated_flag: bool,
    arm_id: bool,
    pop_claims: bool,
    /// Whether the entry's server application is AKS's own.
    is_for_aks: bool,
    /// Whether the entry names a client.
    client: bool,
    /// The mode of an exec entry of Azure's kubelogin.
    mode: Option<&'static str>,
    /// The arguments of such an entry.
    args: Vec<String>,
}

struct Converted {
    succeeded: bool,
    /// Whether the file is byte for byte what it was.
    untouched: bool,
    stderr: String,
    config: Value,
}

impl Case {
    fn new(number: u64) -> Self {
        let mut random = Random(number * 7919 + 1);
        let mode = MODES[number as usize % MODES.len()];
        let mut flags = Vec::new();
        let mut env: Vec<(&'static str, String)> = Vec::new();
        match random.below(8) {
            0 if mode == "devicecode" => {}
            1 => env.push(("AAD_LOGIN_METHOD", mode.to_owned())),
            2 => {
                flags.extend(["-l".to_owned(), random.pick(&MODES).to_owned()]);
                env.push(("AAD_LOGIN_METHOD", mode.to_owned()));
            }
            _ => flags.extend(["--login".to_owned(), mode.to_owned()]),
        }
        if random.one_in(60) {
            flags.extend(["--login".to_owned(), "carrier-pigeon".to_owned()]);
        }
        flags_of(&mut random, &mut flags);
        env_of(&mut random, &mut env);
        let users: Vec<_> = (0..1 + random.below(3))
            .map(|i| user_of(&mut random, i))
            .collect();
        if random.one_in(4) {
            let context = match random.below(6) {
                0 => "no-such-context".to_owned(),
                1 => "userless".to_owned(),
                _ => format!("context-{}", random.below(users.len())),
            };
            flags.extend(["--context".to_owned(), context]);
            if random.one_in(4) {
                let context = format!("context-{}", random.below(users.len()));
                flags.extend(["--context".to_owned(), context]);
            }
        }
        let (texts, users): (Vec<_>, Vec<_>) = users.into_iter().unzip();
        Self {
            kubeconfig: kubeconfig(&texts, &users),
            users,
            flags,
            env,
        }
    }

    fn run(&self, test_env: &TestEnv, program: &Path, own: &[&str]) -> Converted {
        let path = test_env.write("config", &self.kubeconfig);
        let ran = run(test_env
            .program(program)
            .current_dir(repository())
            .arg("convert-kubeconfig")
            .arg("--kubeconfig")
            .arg(&path)
            .args(&self.flags)
            .args(own)
            .envs(self.env.iter().map(|(name, value)| (name, value))));
        let text = test_env.read("config");
        Converted {
            succeeded: ran.code == 0,
            untouched: text == self.kubeconfig,
            stderr: ran.stderr,
            config: serde_yaml::from_str(&text).expect("the kubeconfig is YAML"),
        }
    }

    /// Collects the ids of the differences; returns what can't be explained.
    fn compare(
        &self,
        theirs: &Converted,
        ours: &Converted,
        ids: &mut BTreeSet<String>,
    ) -> Option<String> {
        let mut id = |id: &str| {
            ids.insert(id.to_owned());
        };
        if !ours.succeeded && !ours.untouched {
            return Some("we failed and changed the file".to_owned());
        }
        // Users that are in the wanted mode, or are to keep their own.
        let kept = |user: &&User| user.mode.is_some_and(|mode| self.keeps(mode));
        match (theirs.succeeded, ours.succeeded) {
            (false, false) => return None,
            (true, false) => {
                if self.selects_userless() {
                    id("context-without-user");
                } else if self
                    .flag("--authority-host")
                    .is_some_and(|host| host.starts_with("http:"))
                {
                    id("authority-host-tls");
                } else if self.flag("--context").is_some() && self.contexts().len() > 1 {
                    id("several-contexts");
                } else if self.users.iter().any(|user| user.repeated_flag) {
                    id("last-flag-counts");
                } else if self
                    .flags
                    .iter()
                    .any(|flag| flag.ends_with("AzurePubicCloud") || flag.ends_with("nonsense"))
                {
                    id("unusable-values");
                } else if self.asks_for_proof() {
                    id("proof-of-possession-mode");
                } else {
                    return Some("we refuse what kubelogin converts".to_owned());
                }
                return None;
            }
            (false, true) => {
                if self.users.iter().any(|user| user.oidc) {
                    id("oidc-login");
                }
                if self.users.iter().any(|user| user.attached_flags) {
                    id("flag-forms");
                }
                if self.flags.iter().any(|flag| flag == "--pop-enabled")
                    && (self.users.iter().any(|user| user.arm_id))
                {
                    id("claims-from-arm-id");
                }
                if self.flags.iter().any(|flag| flag == "--pop-enabled")
                    && (self.users.iter().any(|user| user.pop_claims))
                {
                    id("claims-from-entry");
                }
                if self.contexts().len() > 1 {
                    id("several-contexts");
                }
                if self.users.iter().any(|user| kept(&user)) {
                    id(self.kept_id());
                }
                let aks_client = self.users.iter().any(|user| self.gets_aks_client(user));
                if aks_client {
                    id("aks-client");
                }
                let explained = aks_client
                    || self.users.iter().any(|user| kept(&user))
                    || self
                        .users
                        .iter()
                        .any(|user| user.oidc || user.attached_flags)
                    || self.flags.iter().any(|flag| flag == "--pop-enabled")
                    || self.contexts().len() > 1;
                return (!explained).then(|| "we convert what kubelogin refuses".to_owned());
            }
            (true, true) => {}
        }
        self.users
            .iter()
            .enumerate()
            .find_map(|(i, user)| self.compare_user(i, user, theirs, ours, ids))
    }

    fn compare_user(
        &self,
        i: usize,
        user: &User,
        theirs: &Converted,
        ours: &Converted,
        ids: &mut BTreeSet<String>,
    ) -> Option<String> {
        let mut id = |id: &str| {
            ids.insert(id.to_owned());
        };
        let original: Value = serde_yaml::from_str(&self.kubeconfig).expect("YAML");
        let before = user_value(&original, &user.name)?;
        let (theirs, ours) = (
            user_value(&theirs.config, &user.name)?,
            user_value(&ours.config, &user.name)?,
        );
        let as_typed = with_paths_as_typed(&ours);
        if as_typed != ours {
            id("full-paths");
        }
        let ours = as_typed;
        if user.oidc {
            if ours != before {
                return Some(format!("{}: an oidc-login user was changed", user.name));
            }
            if exec(&theirs, "args") != exec(&ours, "args") {
                id("oidc-login");
            }
            return None;
        }
        if before.get("exec").is_none() && before.get("auth-provider").is_none() {
            return (ours != before).then(|| format!("{}: a foreign user was changed", user.name));
        }
        let selected = self.contexts();
        if selected.len() > 1 && selected.contains(&format!("context-{i}")) {
            let last = selected
                .last()
                .is_some_and(|last| *last == format!("context-{i}"));
            if !last {
                if theirs != ours {
                    id("several-contexts");
                }
                return None;
            }
        }
        if ours.get("auth-provider") != theirs.get("auth-provider") {
            return Some(format!("{}: the auth provider differs", user.name));
        }
        if before == ours && exec(&theirs, "args") == exec(&before, "args") {
            return None;
        }
        if exec(&theirs, "args") != exec(&ours, "args") {
            if user.mode.is_some_and(|mode| self.keeps(mode)) {
                if let Some(fault) = self.compare_kept(user, &theirs, &ours) {
                    return Some(format!("{}: {fault}", user.name));
                }
                id(self.kept_id());
            } else if without_login_hint(&ours) == without_login_hint(&theirs)
                && self.mode().unwrap_or("devicecode") == "devicecode"
            {
                id("login-hint");
            } else if user.attached_flags {
                id("flag-forms");
            } else if user.repeated_flag {
                id("last-flag-counts");
            } else if self
                .flags
                .iter()
                .any(|flag| flag == "--disable-environment-override=false")
            {
                id("disable-environment-override-false");
            } else {
                return Some(format!("{}: the arguments differ", user.name));
            }
        }
        if exec(&theirs, "command") != exec(&ours, "command") {
            return Some(format!("{}: the command differs", user.name));
        }
        if exec(&theirs, "apiVersion") != exec(&ours, "apiVersion") {
            if !user.v1 {
                return Some(format!("{}: the API version differs", user.name));
            }
            id("api-version");
        }
        if exec(&theirs, "installHint") != exec(&ours, "installHint") {
            if user.hint {
                return Some(format!("{}: the install hint differs", user.name));
            }
            id("install-hint");
        }
        let interactive = |user: &Value| match exec(user, "interactiveMode") {
            Value::Null => Value::from("IfAvailable"),
            mode => mode,
        };
        if interactive(&theirs) != interactive(&ours) {
            if user.interactive.is_none() {
                return Some(format!("{}: the interactive mode differs", user.name));
            }
            id("interactive-mode");
        }
        let info = |user: &Value| exec(user, "provideClusterInfo").as_bool().unwrap_or(false);
        if info(&theirs) != info(&ours) {
            if !user.cluster_info {
                return Some(format!("{}: provideClusterInfo differs", user.name));
            }
            id("provide-cluster-info");
        }
        if exec(&theirs, "env") != exec(&ours, "env") {
            // An entry that keeps `azurecli` gets az's directory, which kubelogin has no use for in `devicecode`.
            let kept = self.mode().is_none() && user.mode == Some("azurecli");
            if !user.env && !kept {
                return Some(format!("{}: the environment differs", user.name));
            }
            if user.env {
                id("env");
            }
        }
        if ours.get("extensions") != theirs.get("extensions") {
            id("way-back");
        }
        if before.get("x-unknown") != ours.get("x-unknown") {
            return Some(format!("{}: an unknown field went missing", user.name));
        }
        if before.get("x-unknown").is_some() && theirs.get("x-unknown").is_none() {
            id("unknown-fields");
        }
        None
    }

    /// What an entry that keeps its mode has: all that kubelogin would write for that mode, and what it
    /// said before.
    fn compare_kept(&self, user: &User, theirs: &Value, ours: &Value) -> Option<String> {
        let words = |args: Value| -> Vec<String> {
            let args = args.as_sequence().cloned().unwrap_or_default();
            let args = args.iter().filter_map(Value::as_str);
            args.map(str::to_owned).collect()
        };
        let before = pairs(&user.args);
        let ours = pairs(&words(exec(ours, "args")));
        let given = |flag: &str| self.flags.iter().any(|f| named(f) == flag);
        let short = |flag: &str| flag == "--tenant-id" && given("-t");
        for pair in &before {
            let replaced = given(&pair.0) || short(&pair.0);
            // One identity, one credential, one cache: the flag's replaces the entry's.
            let other = match pair.0.as_str() {
                "--client-id" => given("--identity-resource-id"),
                "--identity-resource-id" => given("--client-id"),
                "--client-certificate" => given("--client-secret"),
                "--cache-dir" => given("--token-cache-dir"),
                _ => false,
            };
            if !replaced && !other && !ours.contains(pair) {
                return Some(format!("{pair:?} of the entry is gone"));
            }
        }
        for pair in &ours {
            let known = before.contains(pair) || given(&pair.0) || short(&pair.0);
            if !known && !matches!(pair.0.as_str(), "--login" | "--cache-dir" | "--pop-claims") {
                return Some(format!("{pair:?} is from nowhere"));
            }
        }
        // Without a mode kubelogin wrote an entry of another one.
        self.mode()?;
        for pair in pairs(&words(exec(theirs, "args"))) {
            if pair.0 == "--disable-environment-override"
                && self
                    .flags
                    .iter()
                    .any(|flag| flag == "--disable-environment-override=false")
            {
                continue;
            }
            let is_default = pair.0 == "--login" && user.args.iter().all(|a| named(a) != "--login");
            if !is_default && !ours.contains(&pair) && !user.repeated_flag && !user.attached_flags {
                return Some(format!("{pair:?} is what kubelogin writes, too"));
            }
        }
        None
    }

    /// The mode that the entries are converted to, if one is named.
    fn mode(&self) -> Option<&str> {
        let variable = self
            .env
            .iter()
            .find(|(name, _)| *name == "AAD_LOGIN_METHOD");
        let ignored = self
            .flags
            .iter()
            .rfind(|flag| flag.starts_with("--disable-environment-override"));
        let ignored = ignored.is_some_and(|flag| !flag.ends_with("=false"));
        let at = self
            .flags
            .iter()
            .rposition(|flag| flag == "--login" || flag == "-l");
        let flag = at.and_then(|at| self.flags.get(at + 1)).map(String::as_str);
        variable
            .filter(|_| !ignored)
            .map(|(_, mode)| mode.as_str())
            .or(flag)
    }

    /// Whether an exec entry of this mode keeps it.
    fn keeps(&self, mode: &str) -> bool {
        self.mode().is_none_or(|wanted| wanted == mode)
    }

    fn kept_id(&self) -> &'static str {
        match self.mode() {
            Some(_) => "same-mode",
            None => "no-login",
        }
    }

    /// Whether a user needs a client in its new mode and AKS's own is the default.
    fn gets_aks_client(&self, user: &User) -> bool {
        let mode = self.mode().or(user.mode).unwrap_or("devicecode");
        let words = [&["convert-kubeconfig".to_owned()], &self.flags[..]].concat();
        let given = pairs(&words);
        let value = |flag: &str| given.iter().find(|pair| pair.0 == flag);
        let is_for_aks = match value("--server-id") {
            Some((_, server)) => server == AKS_SERVER_APP,
            None => user.is_for_aks,
        };
        ["devicecode", "interactive", "ropc"].contains(&mode)
            && is_for_aks
            && value("--client-id").is_none()
            && !user.client
    }

    fn asks_for_proof(&self) -> bool {
        let able = ["interactive", "spn", "ropc"];
        let asked = self
            .flags
            .iter()
            .any(|flag| flag == "--pop-enabled" || flag == "--pop-enabled=true");
        asked && !self.mode().is_some_and(|mode| able.contains(&mode))
    }

    fn flag(&self, name: &str) -> Option<&str> {
        let at = self.flags.iter().rposition(|flag| flag == name)?;
        self.flags.get(at + 1).map(String::as_str)
    }

    fn contexts(&self) -> Vec<String> {
        self.flags
            .windows(2)
            .filter(|pair| pair[0] == "--context")
            .map(|pair| pair[1].clone())
            .collect()
    }

    fn selects_userless(&self) -> bool {
        self.contexts().iter().any(|context| context == "userless")
    }
}

/// A user with the one relative path that is typed here as it was typed.
fn with_paths_as_typed(user: &Value) -> Value {
    let full = std::path::absolute("flag.pem").expect("a current directory");
    let text = serde_yaml::to_string(user).expect("YAML");
    let typed = text.replace(&full.display().to_string(), "flag.pem");
    serde_yaml::from_str(&typed).expect("YAML")
}

/// A flag without its value.
fn named(word: &str) -> &str {
    match word.split_once('=') {
        Some((flag, _)) if flag.starts_with("--") => flag,
        _ => word,
    }
}

/// Flags and their values; of two names of one flag the newer one, of two values the last.
fn pairs(args: &[String]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = args.iter().skip(1).peekable();
    while let Some(word) = rest.next() {
        let flag = named(word).replace("--token-cache-dir", "--cache-dir");
        let value = match word.split_once('=') {
            Some((_, value)) => value.to_owned(),
            None => rest
                .next_if(|next| !next.starts_with("--"))
                .cloned()
                .unwrap_or_default(),
        };
        pairs.retain(|(other, _)| *other != flag);
        pairs.push((flag, value));
    }
    pairs
}

fn exec(user: &Value, field: &str) -> Value {
    let exec = user.get("exec").cloned().unwrap_or(Value::Null);
    exec.get(field).cloned().unwrap_or(Value::Null)
}

/// The arguments without the account that the entry names.
fn without_login_hint(user: &Value) -> Vec<Value> {
    let args = exec(user, "args");
    let mut args = args.as_sequence().cloned().unwrap_or_default();
    if let Some(at) = args.iter().position(|arg| arg == "--login-hint") {
        args.drain(at..(at + 2).min(args.len()));
    }
    args
}

fn user_value(config: &Value, name: &str) -> Option<Value> {
    let users = config.get("users")?.as_sequence()?;
    let entry = users.iter().find(|user| user["name"] == name)?;
    Some(
        entry
            .get("user")
            .cloned()
            .unwrap_or(Value::Mapping(Mapping::new())),
    )
}
