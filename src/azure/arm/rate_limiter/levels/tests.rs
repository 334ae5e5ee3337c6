//! The file that processes share, as they find it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use super::{
    super::{Bucket, RateLimiter},
    *,
};
use crate::fleet::Cluster;

const ENDPOINT: &str = "https://management.example/";

struct Fixture {
    temp: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a temporary directory");
        Self { temp }
    }

    fn cache(&self) -> PathBuf {
        self.temp.path().join("cache")
    }

    fn file(&self) -> PathBuf {
        self.cache().join("arm").join(FILE)
    }

    /// A process that shares the file.
    fn process(&self, endpoint: &str) -> RateLimiter {
        let mut process = RateLimiter::default();
        let directories = [self.cache(), self.cache().join("arm")];
        let directories = directories.map(|path| PrivateDirectory::new(path, "the cache"));
        process.share(directories.into(), endpoint);
        process
    }

    /// How many calls a new process finds.
    fn free(&self, region: &str) -> usize {
        self.process(ENDPOINT).free(&bucket(region))
    }
}

fn bucket(region: &str) -> Bucket {
    Bucket::credentials(&Cluster {
        subscription_id: "A".into(),
        location: region.into(),
        ..Cluster::default()
    })
}

/// Makes calls, which are accepted.
async fn call(process: &RateLimiter, bucket: &Bucket, calls: usize) {
    for _ in 0..calls {
        let admitted = process.admit(bucket, async || (), |_| ()).await;
        admitted.expect("the bucket has calls");
        process.accepted(bucket);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").mode() & 0o777
}

#[tokio::test]
async fn the_next_process_finds_what_the_last_one_left() {
    let fixture = Fixture::new();
    let first = fixture.process(ENDPOINT);
    call(&first, &bucket("West Europe"), 40).await;
    first.release();
    assert!((20..=22).contains(&fixture.free("westeurope")));
    assert_eq!(fixture.free("northeurope"), 60);
    let elsewhere = fixture.process("https://management.other/");
    assert_eq!(elsewhere.free(&bucket("westeurope")), 60);
    assert_eq!(mode(&fixture.file()), 0o600);
    assert_eq!(mode(&fixture.cache().join("arm")), 0o700);
    // Listings are not shared.
    let lists = Bucket::cluster_lists("a");
    call(&first, &lists, 10).await;
    assert_eq!(fixture.process(ENDPOINT).free(&lists), 500);
}

#[tokio::test]
async fn a_429_empties_the_bucket_for_all() {
    let fixture = Fixture::new();
    let (process, bucket) = (fixture.process(ENDPOINT), bucket("r"));
    let (ticket, ()) = process
        .admit(&bucket, async || (), |_| ())
        .await
        .expect("it is full");
    process.throttled(&bucket, ticket, Duration::from_secs(5));
    assert_eq!(fixture.free("r"), 0);
}

#[tokio::test]
async fn a_file_that_is_damaged_foreign_newer_or_too_large_says_nothing_and_is_replaced() {
    let fixture = Fixture::new();
    let mut contents = vec![
        Vec::new(),
        b"{".to_vec(),
        b"[]".to_vec(),
        vec![0xff; 9],
        br#"{"version":2,"full_at":{"https://management.example/a/r/credentials":9000000000000000}}"#.to_vec(),
        br#"{"version":1,"full_at":{"https://management.example/a/r/credentials":"soon"}}"#.to_vec(),
        vec![b' '; (1 << 20) + 1],
    ];
    while let Some(content) = contents.pop() {
        let process = fixture.process(ENDPOINT);
        assert_eq!(process.free(&bucket("s")), 60);
        fs::write(fixture.file(), &content).expect("ours");
        assert_eq!(fixture.free("r"), 60);
        call(&process, &bucket("r"), 30).await;
        assert!(fixture.free("r") < 35, "{content:?}");
        fs::remove_file(fixture.file()).expect("written");
    }
}

#[tokio::test]
async fn a_file_that_others_may_use_is_not_used() {
    let fixture = Fixture::new();
    call(&fixture.process(ENDPOINT), &bucket("r"), 30).await;
    let written = fs::read(fixture.file()).expect("written");
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    };
    for (path, unsafe_mode, usual) in [
        (fixture.file(), 0o640, 0o600),
        (fixture.cache().join("arm"), 0o770, 0o700),
        (fixture.cache(), 0o777, 0o700),
    ] {
        set(&path, unsafe_mode);
        let process = fixture.process(ENDPOINT);
        assert_eq!(process.free(&bucket("r")), 60, "{path:?}");
        call(&process, &bucket("r"), 30).await;
        assert_eq!(fs::read(fixture.file()).expect("still there"), written);
        set(&path, usual);
    }
    let elsewhere = fixture.temp.path().join("elsewhere");
    fs::rename(fixture.file(), &elsewhere).expect("ours");
    symlink(&elsewhere, fixture.file()).expect("a link");
    assert_eq!(fixture.free("r"), 60);
}

#[tokio::test]
async fn a_process_that_holds_the_file_holds_nobody_up() {
    let fixture = Fixture::new();
    let process = fixture.process(ENDPOINT);
    assert_eq!(process.free(&bucket("r")), 60);
    let file = fs::File::open(fixture.file()).expect("it exists");
    file.lock().expect("nobody has it");
    call(&process, &bucket("r"), 60).await;
    assert_eq!(process.free(&bucket("r")), 0);
    file.unlock().expect("held");
    // What could not be told is told with the next call, or at the end.
    process.release();
    assert!(fixture.free("r") <= 2);
}

#[tokio::test]
async fn buckets_that_are_full_again_are_dropped() {
    let fixture = Fixture::new();
    let process = fixture.process(ENDPOINT);
    call(&process, &bucket("r"), 1).await;
    let old = fs::read_to_string(fixture.file()).expect("UTF-8");
    let many: FullAt = (0..1_000).map(|n| (n.to_string(), n)).collect();
    fs::write(fixture.file(), encode(many)).expect("ours");
    call(&process, &bucket("s"), 1).await;
    let new = fs::read_to_string(fixture.file()).expect("UTF-8");
    assert!(new.len() <= old.len(), "{new}");
}

#[tokio::test]
async fn calls_at_once_of_two_processes_fit_into_the_bucket() {
    let fixture = Fixture::new();
    let processes = [(); 2].map(|()| {
        let mut process = fixture.process(ENDPOINT);
        process.set_deadline(Some(Instant::now()));
        process
    });
    let bucket = bucket("r");
    let mut admitted = 0;
    for _ in 0..70 {
        for process in &processes {
            if process.admit(&bucket, async || (), |_| ()).await.is_ok() {
                process.accepted(&bucket);
                admitted += 1;
            }
        }
    }
    assert!((58..=63).contains(&admitted), "{admitted}");
}
