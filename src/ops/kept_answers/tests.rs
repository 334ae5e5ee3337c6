//! What is kept, what is read back, and what is not.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::{Value, json};

use super::*;
use crate::{host::Host, kubeconfig::parse_user_kubeconfig};

const DAY: i64 = 24 * 3600;
const NOW: i64 = 1_790_000_000;

struct Fixture {
    temp: tempfile::TempDir,
    cloud: Cloud,
}

impl Fixture {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let host = Host::with_env::<&str, &str>([]);
        let cloud = Cloud::named(None, None, &host).expect("the public cloud");
        Self { temp, cloud }
    }

    fn cache(&self) -> PathBuf {
        self.temp.path().join("kubectl-aad")
    }

    fn file(&self) -> PathBuf {
        self.cache().join(DIRECTORY).join(file_name(&self.cloud))
    }

    fn open(&self) -> KeptAnswers<'_> {
        KeptAnswers::open(Ok(self.cache()), &self.cloud)
    }

    /// Keeps the answers of these clusters, asked for at these times.
    fn keep(&self, clusters: &[(&str, i64)], now: i64) {
        let mut kept = self.open();
        for (name, asked) in clusters {
            kept.keep(key(name), answer(name, *asked));
        }
        kept.save(now);
    }

    /// Which of the clusters have an answer.
    fn known(&self) -> Vec<String> {
        let kept = self.open();
        let mut names: Vec<_> = kept.answers.keys().map(|key| key.id.clone()).collect();
        names.sort();
        names
    }
}

fn cluster(name: &str) -> Cluster {
    Cluster {
        id: name.to_uppercase(),
        etag: Some("e".into()),
        ..Cluster::default()
    }
}

fn key(name: &str) -> Key {
    Key::of(&cluster(name), false)
}

fn answer(name: &str, asked: i64) -> KeptAnswer {
    let text = format!(
        "clusters: [{{name: a, cluster: {{server: 'https://{name}.hcp.example'}}}}]\n\
         users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [--server-id, s]}}}}}}]\n"
    );
    let said = parse_user_kubeconfig(text.as_bytes()).expect("a kubeconfig");
    KeptAnswer {
        described: Described::of(&cluster(name)),
        asked,
        seen: asked,
        kubeconfig: KeptKubeconfig::of(&said).expect("nothing secret"),
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path)
        .expect("there")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn an_answer_is_kept_for_a_cluster_that_is_described_as_before() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW)], NOW);
    let kept = fixture.open();
    let as_before = Described::of(&cluster("a"));
    assert_eq!(kept.get(&key("a"), &as_before), Some(&answer("a", NOW)));
    let changed = Described::of(&Cluster {
        etag: Some("other".into()),
        ..cluster("a")
    });
    assert_eq!(kept.get(&key("a"), &changed), None);
    assert_eq!(kept.get(&Key::of(&cluster("a"), true), &as_before), None);
    assert_eq!(kept.get(&key("b"), &as_before), None);
}

#[test]
fn each_cloud_has_answers_of_its_own() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW)], NOW);
    let host = Host::with_env::<&str, &str>([]);
    for (environment, authority) in [
        (Some("AzureUSGovernment"), None),
        (None, Some("https://login.example/")),
    ] {
        let other = Cloud::named(environment, authority, &host).expect("a cloud");
        let kept = KeptAnswers::open(Ok(fixture.cache()), &other);
        assert!(kept.answers.is_empty());
        // Nor does a file that was renamed tell another cloud's answers.
        fs::copy(
            fixture.file(),
            fixture.cache().join(DIRECTORY).join(file_name(&other)),
        )
        .expect("copied");
        let kept = KeptAnswers::open(Ok(fixture.cache()), &other);
        assert!(kept.answers.is_empty());
    }
}

#[test]
fn the_file_is_as_private_as_a_token() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW)], NOW);
    assert_eq!(mode(&fixture.file()), 0o600);
    assert_eq!(mode(&fixture.cache().join(DIRECTORY)), 0o700);
    assert_eq!(mode(&fixture.cache()), 0o700);
}

#[test]
fn a_file_that_others_may_have_written_is_not_used_and_is_replaced() {
    let fixture = Fixture::new();
    let file = fixture.file();
    let elsewhere = fixture.temp.path().join("elsewhere");
    let spoil: [&dyn Fn(); 4] = [
        &|| set_mode(&file, 0o644),
        &|| set_mode(&file, 0o620),
        &|| {
            fs::rename(&file, &elsewhere).expect("moved");
            symlink(&elsewhere, &file).expect("linked");
        },
        &|| {
            fs::remove_file(&file).expect("removed");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, &file, mode).expect("made");
        },
    ];
    for (n, spoil) in spoil.into_iter().enumerate() {
        fixture.keep(&[("a", NOW)], NOW);
        assert!(fixture.known().contains(&"a".to_owned()));
        spoil();
        assert!(fixture.known().is_empty(), "{n}");
        fixture.keep(&[("b", NOW)], NOW);
        assert_eq!(fixture.known(), ["b"], "{n}");
        assert_eq!(mode(&file), 0o600);
    }
}

#[test]
fn a_directory_that_others_can_reach_is_neither_used_nor_changed() {
    let fixture = Fixture::new();
    let own = fixture.cache().join(DIRECTORY);
    for directory in [&own, &fixture.cache()] {
        for open in [0o755, 0o770, 0o701] {
            fixture.keep(&[("a", NOW)], NOW);
            set_mode(directory, open);
            let before = fs::read(fixture.file()).expect("there");
            assert!(fixture.known().is_empty());
            fixture.keep(&[("b", NOW)], NOW);
            assert_eq!(fs::read(fixture.file()).expect("there"), before);
            assert_eq!(mode(directory), open);
            set_mode(directory, 0o700);
            assert_eq!(fixture.known(), ["a"]);
        }
    }
    let elsewhere = fixture.temp.path().join("elsewhere");
    fs::rename(&own, &elsewhere).expect("moved");
    symlink(&elsewhere, &own).expect("linked");
    assert!(fixture.known().is_empty());
    fixture.keep(&[("b", NOW)], NOW);
    assert!(fixture.known().is_empty());
}

#[test]
fn a_file_of_another_form_is_not_used_and_is_replaced() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW)], NOW);
    let good = fs::read(fixture.file()).expect("there");
    let changed = |pointer: &str, value: Value| {
        let mut document: Value = serde_json::from_slice(&good).expect("JSON");
        *document.pointer_mut(pointer).expect("a field") = value;
        serde_json::to_vec(&document).expect("JSON")
    };
    let with = |pointer: &str, field: &str| {
        let mut document: Value = serde_json::from_slice(&good).expect("JSON");
        document.pointer_mut(pointer).expect("an object")[field] = json!(true);
        serde_json::to_vec(&document).expect("JSON")
    };
    for (n, bytes) in [
        Vec::new(),
        b"{}".to_vec(),
        good[..good.len() - 2].to_vec(),
        [&good[..], b"x"].concat(),
        vec![0; good.len()],
        changed("/version", json!(0)),
        changed("/version", json!(2)),
        changed("/arm", json!("https://management.example/")),
        changed("/authority", json!("https://login.example/")),
        changed("/answers", json!({})),
        changed("/answers/0/asked", json!("yesterday")),
        changed("/answers/0/kubeconfig/server", json!(7)),
        with("", "more"),
        with("/answers/0", "more"),
        with("/answers/0/described", "more"),
        with("/answers/0/kubeconfig", "insecureSkipTlsVerify"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(fixture.file(), &bytes).expect("written");
        assert!(fixture.known().is_empty(), "{n}");
        fixture.keep(&[("b", NOW)], NOW);
        assert_eq!(fixture.known(), ["b"], "{n}");
    }
    let large = fs::File::options().write(true).open(fixture.file());
    large
        .and_then(|file| file.set_len(FILE_LIMIT + 1))
        .expect("ours");
    assert!(fixture.known().is_empty());
}

#[test]
fn two_runs_at_once_lose_none_of_their_answers() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW - 9), ("b", NOW - 9), ("c", NOW - 9)], NOW);
    let (mut one, mut other) = (fixture.open(), fixture.open());
    one.keep(key("new"), answer("new", NOW));
    one.keep(key("a"), answer("a", NOW - 2));
    one.forget(key("b"));
    other.keep(key("newer"), answer("newer", NOW));
    other.keep(key("a"), answer("a", NOW - 1));
    other.save(NOW);
    one.save(NOW);
    assert_eq!(fixture.known(), ["a", "c", "new", "newer"]);
    assert_eq!(fixture.open().answers[&key("a")].asked, NOW - 1);
}

#[test]
fn an_answer_of_a_clock_that_was_ahead_is_replaced() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW + 400 * DAY)], NOW);
    assert_eq!(fixture.open().answers[&key("a")].age(NOW), None);
    fixture.keep(&[("a", NOW)], NOW);
    assert_eq!(fixture.open().answers[&key("a")].age(NOW + 5), Some(5));
}

#[test]
fn answers_go_90_days_after_the_last_listing_with_the_cluster() {
    let fixture = Fixture::new();
    fixture.keep(
        &[
            ("gone", NOW - 91 * DAY),
            ("rare", NOW - 89 * DAY),
            ("seen", NOW - 91 * DAY),
        ],
        NOW - 91 * DAY,
    );
    let mut kept = fixture.open();
    kept.saw(&key("seen"), Described::of(&cluster("seen")), NOW);
    kept.save(NOW);
    assert_eq!(fixture.known(), ["rare", "seen"]);
}

#[test]
fn an_unchanged_run_writes_the_file_once_a_day() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW)], NOW);
    for (now, written) in [
        (NOW + 3600, false),
        (NOW + DAY, true),
        (NOW + DAY + 9, false),
        (NOW - 9, true),
    ] {
        let before = fs::metadata(fixture.file()).expect("there");
        let mut kept = fixture.open();
        kept.saw(&key("a"), Described::of(&cluster("a")), now);
        kept.save(now);
        let after = fs::metadata(fixture.file()).expect("there");
        let inode = std::os::unix::fs::MetadataExt::ino;
        assert_eq!(inode(&before) != inode(&after), written, "{now}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let fixture = Fixture::new();
    let large = |name: &str, bytes: usize| {
        let mut answer = answer(name, NOW);
        let mut document = serde_json::to_value(&answer.kubeconfig).expect("JSON");
        document["tlsServerName"] = json!("x".repeat(bytes));
        answer.kubeconfig = serde_json::from_value(document).expect("its form");
        answer
    };
    let mut kept = fixture.open();
    kept.keep(key("large"), large("large", 65 << 10));
    kept.keep(key("small"), answer("small", NOW));
    kept.save(NOW);
    assert_eq!(fixture.known(), ["small"]);
    let mut kept = fixture.open();
    for n in 0..700 {
        kept.keep(key(&format!("n{n}")), large("n", 60 << 10));
    }
    kept.save(NOW + DAY);
    assert!((500..600).contains(&fixture.known().len()));
    assert!(fs::metadata(fixture.file()).expect("there").len() < FILE_LIMIT);
}

#[test]
fn files_of_clouds_that_are_no_longer_used_go() {
    let fixture = Fixture::new();
    fixture.keep(&[("a", NOW)], NOW);
    let other = fixture.file().with_file_name("answers-0.json");
    let foreign = fixture.file().with_file_name("notes.txt");
    let old = std::time::SystemTime::now() - UNUSED_LIFE - Duration::from_secs(9);
    for path in [&other, &foreign] {
        fs::write(path, "x").expect("written");
        let file = fs::File::options().write(true).open(path);
        file.and_then(|file| file.set_modified(old)).expect("ours");
    }
    fixture.keep(&[("b", NOW)], NOW);
    assert!(!other.exists() && foreign.exists());
    assert_eq!(fixture.known(), ["a", "b"]);
}

#[test]
fn clearing_removes_the_answers_of_all_clouds() {
    let fixture = Fixture::new();
    assert_eq!(clear(fixture.cache()).expect("nothing there"), 0);
    fixture.keep(&[("a", NOW)], NOW);
    let foreign = fixture.file().with_file_name("notes.txt");
    fs::write(&foreign, "x").expect("written");
    assert_eq!(clear(fixture.cache()).expect("cleared"), 1);
    assert!(!fixture.file().exists() && foreign.exists());
    fs::remove_file(foreign).expect("there");
    assert_eq!(clear(fixture.cache()).expect("nothing there"), 0);
    assert!(!fixture.cache().join(DIRECTORY).exists());
}
