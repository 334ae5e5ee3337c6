//! The screens that the documentation shows are those of real runs: the picture in the README, and the blocks of
//! text that follow a line such as `<!-- screen: first sync -->`.

mod screen;
mod svg;

use std::{fs, path::Path};

use azure_sim::{Change, Endpoint, Fault, Fleet, FleetSpec};

use self::screen::Line;
use crate::{
    docs::pages,
    env::{AtATerminal, Screen, Size, TestEnv, run},
    support::{peer, repository},
};

/// How to write all of them again.
const WRITE: &str = "AAD_WRITE_REFERENCE=1 cargo test --test it pictures";

/// Takes the place of how long a run took, which differs: the README's figure.
const DURATION: &str = "0.9 s";

/// When throttled calls are tried again, in seconds.
const RETRY: u64 = 20;

/// What is above a screen in a page, and what follows its name.
const MARK: (&str, &str) = ("\n<!-- screen: ", " -->\n```text\n");

/// The clusters of the fleet that is shown: name, region, version and subscription.
const CLUSTERS: [(&str, &str, &str, usize); 12] = [
    ("dev-weu", "westeurope", "1.33.3", 2),
    ("dev-neu", "northeurope", "1.33.3", 2),
    ("load-test", "swedencentral", "1.33.3", 2),
    ("stg-weu", "westeurope", "1.33.2", 1),
    ("stg-neu", "northeurope", "1.33.2", 1),
    ("stg-eus", "eastus2", "1.33.2", 1),
    ("prod-weu", "westeurope", "1.32.6", 0),
    ("prod-neu", "northeurope", "1.32.6", 0),
    ("prod-eus", "eastus2", "1.32.6", 0),
    ("prod-uks", "uksouth", "1.32.6", 0),
    ("prod-sdc", "swedencentral", "1.32.6", 0),
    ("data-weu", "westeurope", "1.32.6", 0),
];

const SUBSCRIPTIONS: [&str; 3] = ["Production", "Staging", "Sandbox"];

fn fleet() -> Fleet {
    let mut fleet = Fleet::generate(&FleetSpec {
        subscriptions: SUBSCRIPTIONS.len(),
        clusters: CLUSTERS.len(),
        ..FleetSpec::default()
    });
    fleet.tenants[0].domain = "contoso.example".into();
    fleet.users[0].upn = "ada@contoso.example".into();
    for (subscription, name) in fleet.subscriptions.iter_mut().zip(SUBSCRIPTIONS) {
        subscription.name = name.into();
    }
    for (cluster, (name, location, version, subscription)) in
        fleet.clusters.iter_mut().zip(CLUSTERS)
    {
        cluster.name = name.into();
        cluster.location = location.into();
        cluster.kubernetes_version = version.into();
        cluster.resource_group = format!("rg-{name}");
        cluster.subscription_id = fleet.subscriptions[subscription].id.clone();
        cluster.id = format!(
            "/subscriptions/{}/resourceGroups/rg-{name}/providers/Microsoft.ContainerService/managedClusters/{name}",
            cluster.subscription_id
        );
    }
    fleet
}

/// A terminal in which commands of ours are typed, one after another.
struct Session {
    test_env: TestEnv,
    lines: Vec<Line>,
}

impl Session {
    fn new() -> Self {
        Self {
            test_env: TestEnv::with_fleet(fleet()),
            lines: Vec::new(),
        }
    }

    /// Types `kubectl aad` with these arguments, and keeps what is shown.
    fn aad(&mut self, args: &[&str], code: i32) {
        let command = self.test_env.typed(args);
        let seen = AtATerminal::start(command, Size::SMALL).finish();
        assert_eq!(seen.code, code, "{}", seen.screen.text());
        let typed = format!("kubectl aad {}", args.join(" "));
        self.keep(&typed, &seen.screen, DURATION);
    }

    /// Types a command of kubectl.
    fn kubectl(&mut self, kubectl: &Path, args: &[&str]) {
        let mut command = self.test_env.program(kubectl);
        command.args(args);
        let seen = AtATerminal::start(command, Size::SMALL).finish();
        assert_eq!(seen.code, 0, "{}", seen.screen.text());
        let typed = format!("kubectl {}", args.join(" "));
        self.keep(&typed, &seen.screen, DURATION);
    }

    /// Keeps what is shown. `duration` takes the place of a time in it.
    fn keep(&mut self, typed: &str, screen: &Screen, duration: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::new());
        }
        self.lines.push(screen::typed(typed));
        let shown = screen.rows.iter().map(|cells| screen::line(cells));
        self.lines
            .extend(shown.map(|line| screen::steady(&line, duration)));
    }

    /// Syncs without keeping what is shown.
    fn synced(&self) {
        let ran = run(&mut self.test_env.aad(&["sync"]));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }

    fn id_of(&self, cluster: &str) -> String {
        let fleet = self.test_env.simulator.fleet();
        fleet
            .cluster(cluster)
            .expect("it is in the fleet")
            .id
            .clone()
    }

    /// Takes the right to fetch the credentials of these clusters away.
    fn deny(&self, clusters: &[&str]) {
        for cluster in clusters {
            let denied =
                Fault::on(Endpoint::ListClusterUserCredential).cluster(self.id_of(cluster));
            self.test_env.simulator.faults().add(denied.status(403));
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.iter();
        lines.map(|line| screen::text(line) + "\n").collect()
    }
}

/// A usual day: a cluster is new, one was created again, and a role is missing.
fn usual_day() -> Session {
    let mut session = Session::new();
    let simulator = &session.test_env.simulator;
    let newcomer = simulator.update(|fleet| fleet.clusters.remove(0));
    let kubeconfig = session.test_env.kubeconfig();
    fs::create_dir(kubeconfig.parent().expect("a directory")).expect("made");
    fs::write(kubeconfig, "current-context: prod-weu\n").expect("written");
    session.synced();
    let simulator = &session.test_env.simulator;
    let denied = ["stg-weu", "stg-neu", "stg-eus"];
    simulator.update(|fleet| {
        fleet.clusters[7].change(&Change::Move);
        fleet.clusters.insert(0, newcomer);
        for cluster in denied {
            fleet.change(cluster, &Change::Tag("stage".into(), "closed".into()));
        }
    });
    session.deny(&denied);
    session.aad(&["sync"], 3);
    session
}

/// The first sync of a new user.
fn first_sync() -> Session {
    let mut session = Session::new();
    session.aad(&["sync"], 0);
    session
}

/// One subscription is throttled, and all others are done.
fn throttled() -> Session {
    let mut session = Session::new();
    let throttled = Fault::on(Endpoint::ListClusterUserCredential);
    let subscription = &session.test_env.simulator.fleet().subscriptions[2];
    let throttled = throttled.subscription(subscription.id.as_str());
    session
        .test_env
        .simulator
        .faults()
        .add(throttled.throttled(RETRY));
    let running = AtATerminal::start(session.test_env.typed(&["sync"]), Size::SMALL);
    let screen = running.wait_for("9/12 · Sandbox is throttled by Azure, next try in");
    running.interrupt();
    running.finish_anyhow();
    session.keep("kubectl aad sync", &screen, &format!("{RETRY} s"));
    session
}

/// A cluster is stopped, two roles are missing, and the rest is well.
fn verified() -> Session {
    let mut session = Session::new();
    session.synced();
    let simulator = &session.test_env.simulator;
    for cluster in ["prod-eus", "stg-weu"] {
        let denied = Fault::on(Endpoint::Kubernetes).cluster(session.id_of(cluster));
        simulator.faults().add(denied.status(403));
    }
    simulator.change("load-test", &Change::Stop);
    let ran = run(&mut session.test_env.aad(&["list"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    session.aad(&["verify"], 3);
    session
}

/// What the session of a screen is.
type Play = fn() -> Session;

/// The screens that pages show, by name.
const SCREENS: [(&str, Play); 4] = [
    ("first sync", first_sync),
    ("some failed", usual_day),
    ("throttled", throttled),
    ("verify", verified),
];

#[test]
fn the_picture_in_the_readme_is_what_a_run_shows() {
    let Some(kubectl) = peer("kubectl") else {
        return;
    };
    let mut session = usual_day();
    session.kubectl(&kubectl, &["--context", "dev-weu", "get", "ns"]);
    let title = "A terminal: kubectl aad sync adds a cluster, updates one and explains what failed; kubectl then answers";
    let svg = svg::draw(title, Size::SMALL.columns.into(), &session.lines);
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    let path = repository().join("docs/images/sync.svg");
    let fresh = is_fresh(&path, &svg);
    assert!(
        fresh,
        "`{}` is stale; write it with `{WRITE}`",
        path.display()
    );
}

#[test]
fn the_screens_in_the_pages_are_what_runs_show() {
    let mut shown = 0;
    for page in pages() {
        let old = fs::read_to_string(&page).expect("a page");
        let mut new = String::new();
        let mut rest = old.as_str();
        while let Some((before, at)) = rest.split_once(MARK.0) {
            let (name, block) = at.split_once(MARK.1).expect("a block of text follows");
            let (_, after) = block.split_once("```\n").expect("the block ends");
            let (_, play) = SCREENS
                .into_iter()
                .find(|(known, _)| *known == name)
                .unwrap_or_else(|| panic!("{}: no screen is named `{name}`", page.display()));
            new.extend([before, MARK.0, name, MARK.1, &play().text(), "```\n"]);
            rest = after;
            shown += 1;
        }
        new.push_str(rest);
        assert!(
            is_fresh(&page, &new),
            "`{}` is stale; write it with `{WRITE}`",
            page.display()
        );
    }
    assert_eq!(shown, SCREENS.len(), "each screen is on one page");
}

/// Whether the file holds this text. It is written first if a person asks for that.
fn is_fresh(path: &Path, text: &str) -> bool {
    if std::env::var_os("AAD_WRITE_REFERENCE").is_some() {
        let directory = path.parent().expect("a file is in a directory");
        fs::create_dir_all(directory).expect("docs/ can be written");
        fs::write(path, text).expect("docs/ can be written");
    }
    fs::read_to_string(path).unwrap_or_default() == text
}
