//! Remembers what the last runs of `sync` and `list` saw of a fleet, for what works without the network.
//!
//! A file for each cloud has the clusters and is only written if they changed; another one has the times. Nothing here
//! decides where a token goes, and nothing is secret. A file that can't be used is as good as none. The names in it are
//! Azure's, and may hold anything that Azure lets people write.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    auth::{fingerprint::fingerprint, store},
    error::{Failure, Result},
    fleet::{Cluster, Described},
    host::{
        Host,
        private_directory::{Lock, PrivateDirectory},
    },
};

mod file;
mod merge;
mod run;

use file::{FILE_LIMIT, Fleet, Times};
pub(crate) use run::Run;

/// The directory in that of the token cache.
const DIRECTORY: &str = "seen";
/// What errors call it.
const WHAT: &str = "the directory of what was last seen";
/// What the names of the files begin and end with; between is the cloud.
const FLEET: &str = "fleet-";
const TIMES: &str = "times-";
const SUFFIX: &str = ".json";
const LOCK: &str = "seen.lock";
/// How long to wait for another process that writes the files, which takes milliseconds: it may be stopped.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// What was last seen of a cloud. Times are in Unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CloudSeen {
    /// The value of `--environment`.
    pub(crate) environment: String,
    /// The ARM endpoint.
    pub(crate) arm: String,
    /// The Entra endpoint.
    pub(crate) authority: String,
    /// The last `sync` that was no dry run.
    pub(crate) last_sync: Option<LastSync>,
    /// When a sync last searched everything that its sign-in sees.
    pub(crate) last_complete_sync: Option<i64>,
    /// By id.
    pub(crate) tenants: BTreeMap<String, SeenTenant>,
    /// By id, a GUID in lower case.
    pub(crate) subscriptions: BTreeMap<String, SeenSubscription>,
    /// Sorted by subscription and id.
    pub(crate) clusters: Vec<SeenCluster>,
}

/// A sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastSync {
    /// When it ended.
    pub(crate) at: i64,
    /// Whether it searched everything that its sign-in sees. Selectors make no difference to that.
    pub(crate) is_complete: bool,
}

/// A tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeenTenant {
    pub(crate) domain: Option<String>,
    pub(crate) name: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeenSubscription {
    pub(crate) name: String,
    /// The tenant whose tokens ARM accepts.
    pub(crate) tenant_id: String,
    /// When its clusters were last searched without a failure, by a list or by Resource Graph.
    pub(crate) searched_at: Option<i64>,
    /// When its clusters were last listed to the end: what was not there then is gone.
    pub(crate) listed_whole_at: Option<i64>,
}

/// A cluster, or what stands for one: a hub or a managed namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeenCluster {
    /// The ARM id as ARM spelled it.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) resource_group: String,
    /// A GUID in lower case.
    pub(crate) subscription_id: String,
    pub(crate) subscription_name: String,
    /// The tenant that issues its tokens.
    pub(crate) tenant_id: String,
    pub(crate) location: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// `Running` or `Stopped`.
    pub(crate) power_state: Option<String>,
    pub(crate) is_private: Option<bool>,
    /// When a search last found it.
    pub(crate) last_seen: i64,
}

impl SeenCluster {
    /// The ARM id in lower case.
    pub(crate) fn key(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.power_state.as_deref();
        state.is_some_and(|state| state.eq_ignore_ascii_case("Stopped"))
    }

    /// What selectors look at.
    pub(crate) fn described(&self) -> Described<'_> {
        Described {
            subscription_name: &self.subscription_name,
            location: &self.location,
            tags: &self.tags,
            is_stopped: self.is_stopped(),
        }
    }

    fn of(cluster: &Cluster) -> Self {
        Self {
            id: cluster.id.clone(),
            name: cluster.name.clone(),
            resource_group: cluster.resource_group.clone(),
            subscription_id: cluster.subscription_id.clone(),
            subscription_name: cluster.subscription_name.clone(),
            tenant_id: cluster.tenant_id.clone(),
            location: cluster.location.clone(),
            tags: cluster.tags.clone(),
            power_state: cluster.power_state.clone(),
            is_private: cluster.profile.private,
            last_seen: 0,
        }
    }
}

/// The files, in the directory of the token cache.
pub(crate) struct LastSeen {
    token_cache: PrivateDirectory,
    own: PrivateDirectory,
}

impl LastSeen {
    /// Those in `cache`, the directory of the token cache.
    pub(crate) fn in_cache(cache: PathBuf) -> Self {
        let own = cache.join(DIRECTORY);
        Self {
            token_cache: PrivateDirectory::new(cache, "the token cache"),
            own: PrivateDirectory::new(own, WHAT).with_file_limit(FILE_LIMIT),
        }
    }

    /// What was last seen of every cloud, in no particular order.
    pub(crate) fn read_all(&self) -> Vec<CloudSeen> {
        if self.check().is_err() {
            return Vec::new();
        }
        let names = self.own.names();
        let clouds = names.iter().filter_map(|name| {
            let print = name.strip_prefix(FLEET)?.strip_suffix(SUFFIX)?;
            let fleet = self.read_fleet(print)?;
            let times = self.read_times(print).unwrap_or_default();
            Some(file::seen(fleet, &times))
        });
        clouds.collect()
    }

    /// What was last seen of every cluster, in any cloud, by ARM id in lower case. Nothing if the cache directory is unknown.
    pub(crate) fn clusters(host: &Host) -> HashMap<String, SeenCluster> {
        let clouds = Self::of_host(host).into_iter();
        let clusters = clouds.flat_map(|cloud| cloud.clusters);
        clusters.map(|cluster| (cluster.key(), cluster)).collect()
    }

    /// What was last seen of every cloud, in the cache directory of this machine's variables.
    pub(crate) fn of_host(host: &Host) -> Vec<CloudSeen> {
        let cache = store::location(host, None, false);
        cache.map_or(Vec::new(), |cache| Self::in_cache(cache).read_all())
    }

    /// Adds what a run saw to what others did. If that fails, less is known without the network.
    pub(crate) fn note(&self, run: &Run<'_>) {
        if let Err(why) = self.update(run) {
            tracing::debug!("what was seen is not remembered: {why}");
        }
    }

    fn update(&self, run: &Run<'_>) -> Result<()> {
        self.check()?;
        self.token_cache.create()?;
        self.own.create()?;
        let _lock = self.lock();
        let print = cloud_print(run.cloud.arm.as_str(), run.cloud.authority.as_str());
        let stored = self.read_fleet(&print);
        let times = self.read_times(&print).unwrap_or_default();
        let seen = stored.clone().map(|fleet| file::seen(fleet, &times));
        let merged = merge::merged(seen.unwrap_or_default(), run);
        let (fleet, times) = file::split(merged);
        // The times last: with those of an earlier run, nothing is taken for seen that was not.
        if stored.as_ref() != Some(&fleet) {
            self.write(FLEET, &print, &file::encode(&fleet))?;
        }
        self.write(TIMES, &print, &file::encode(&times))?;
        self.own.remove_abandoned();
        Ok(())
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// If the directory can't be used.
    pub(crate) fn clear(&self) -> Result<()> {
        self.check()?;
        let is_ours = |name: &&String| {
            let has_prefix = name.starts_with(FLEET) || name.starts_with(TIMES);
            has_prefix && name.ends_with(SUFFIX)
        };
        for name in self.own.names().iter().filter(is_ours) {
            self.own.remove(name);
        }
        self.own.remove_abandoned();
        // Unless something else is there.
        let _ = std::fs::remove_dir(self.own.path());
        Ok(())
    }

    /// Checks that nobody else can write here.
    ///
    /// # Errors
    /// As [`PrivateDirectory::exists`].
    fn check(&self) -> Result<()> {
        self.token_cache.exists()?;
        self.own.exists().map(drop)
    }

    fn read_fleet(&self, print: &str) -> Option<Fleet> {
        let fleet: Fleet = self.read_file(FLEET, print)?;
        let is_its = cloud_print(&fleet.arm, &fleet.authority) == print;
        is_its.then_some(fleet).and_then(Fleet::checked)
    }

    fn read_times(&self, print: &str) -> Option<Times> {
        self.read_file(TIMES, print)
    }

    fn read_file<T: serde::de::DeserializeOwned>(&self, prefix: &str, print: &str) -> Option<T> {
        let bytes = self.own.read(&format!("{prefix}{print}{SUFFIX}"))?;
        let read = file::decode(&bytes);
        if read.is_none() {
            tracing::debug!("a file of what was last seen is damaged, or of another version");
        }
        read
    }

    fn write(&self, prefix: &str, print: &str, bytes: &[u8]) -> Result<()> {
        if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_LIMIT) {
            return Err(Failure::new("the fleet is too large"));
        }
        self.own
            .write(&format!("{prefix}{print}{SUFFIX}"), bytes, None)
    }

    fn lock(&self) -> Option<Lock> {
        let end = Instant::now() + LOCK_WAIT;
        loop {
            match self.own.try_lock(LOCK) {
                Ok(None) if Instant::now() < end => std::thread::sleep(LOCK_POLL),
                Ok(lock) => return lock,
                Err(_) => return None,
            }
        }
    }
}

fn cloud_print(arm: &str, authority: &str) -> String {
    fingerprint(format!("{arm}\n{authority}").as_bytes())
}

#[cfg(all(test, unix))]
mod tests;
