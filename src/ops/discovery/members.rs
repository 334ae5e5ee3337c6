//! Finds the members of the Fleet Managers that were named, in whatever subscriptions they are.

use std::collections::{BTreeSet, HashSet};

use super::{Discovery, Warning, by_lists::Found};
use crate::{
    azure::fleet_manager,
    error::{Failure, Result},
    fleet::{ClusterId, ClusterRun, FleetManager, IdKind, Subscription},
    near,
    ops::observer::Event,
    sentence,
};

/// What is known of the members of the named Fleet Managers.
#[derive(Default)]
pub(super) struct Members {
    /// The names of the Fleet Managers that were seen.
    names: BTreeSet<String>,
    /// Of the named ones, those that were found, as they were given.
    found: HashSet<String>,
    /// The ARM ids, in lower case, of those whose members were asked for.
    asked: HashSet<String>,
    /// The ARM ids, in lower case, of the wanted clusters: members, and with `--hubs` the hubs.
    wanted: HashSet<String>,
    /// Those of the listed clusters.
    listed: HashSet<String>,
}

/// A Fleet Manager whose members are wanted.
pub(super) struct Wanted {
    id: ClusterId,
    arm_tenant: Option<String>,
}

impl Discovery<'_> {
    /// Whether Fleet Managers have to be listed to know which one a name is.
    pub(super) fn are_fleet_names_wanted(&self) -> bool {
        let mut fleets = self.request.scope.fleets.iter();
        fleets.any(|name| id_of(name).is_none())
    }

    /// Notes the Fleet Managers of a subscription. Returns the named ones.
    pub(super) fn wanted_of(&mut self, found: &Found) -> Vec<Wanted> {
        let managers = found.fleet_managers.iter().flatten();
        let wanted = managers.filter_map(|manager| self.wanted(manager, found));
        wanted.collect()
    }

    fn wanted(&mut self, manager: &FleetManager, found: &Found) -> Option<Wanted> {
        self.members.names.insert(manager.name.clone());
        let fleets = self.request.scope.fleets.iter();
        let given: Vec<_> = fleets.filter(|name| manager.is(name)).cloned().collect();
        if given.is_empty() {
            return None;
        }
        self.members.found.extend(given);
        if self.request.scope.hubs {
            let is_its = |run: &&ClusterRun| {
                let hub = run.cluster.hub.as_ref();
                hub.is_some_and(|hub| hub.fleet_manager.as_ref() == Some(&manager.id))
            };
            let hub = found.clusters.iter().filter(is_its);
            let keys = hub.flat_map(|run| run.cluster.keys());
            self.members.wanted.extend(keys);
        }
        Some(Wanted {
            id: ClusterId::parse(&manager.id).ok()?,
            arm_tenant: found.searched.subscription.arm_tenant.clone(),
        })
    }

    /// The Fleet Managers that were given by ARM id: no list is needed for those.
    fn wanted_ids(&self) -> Vec<Wanted> {
        let fleets = self.request.scope.fleets.iter();
        let with_tenant = |id: ClusterId| {
            let is_its = |one: &&Subscription| one.id.eq_ignore_ascii_case(&id.subscription_id);
            let subscription = self.known.iter().find(is_its);
            Wanted {
                arm_tenant: subscription.and_then(|one| one.arm_tenant.clone()),
                id,
            }
        };
        fleets
            .filter_map(|name| id_of(name))
            .map(with_tenant)
            .collect()
    }

    /// Asks for the members of these Fleet Managers, and of those that were given by ARM id.
    pub(super) async fn find_members(&mut self, wanted: Vec<Wanted>, listed: &[ClusterRun]) {
        if self.request.scope.fleets.is_empty() {
            return;
        }
        let keys = listed.iter().flat_map(|run| run.cluster.keys());
        self.members.listed.extend(keys);
        let wanted = wanted.into_iter().chain(self.wanted_ids());
        for Wanted { id, arm_tenant } in wanted.collect::<Vec<_>>() {
            let is_new = self.members.asked.insert(id.key());
            if !is_new {
                continue;
            }
            match fleet_manager::members(self.arm, &id, arm_tenant.as_deref()).await {
                Ok(members) => {
                    let fleets = self.request.scope.fleets.iter();
                    let is_it =
                        |name: &&String| id_of(name).is_some_and(|own| own.key() == id.key());
                    self.members.found.extend(fleets.filter(is_it).cloned());
                    self.members.wanted.extend(members);
                }
                Err(failure) => self.fleets.warnings.push(Warning {
                    failure,
                    incomplete: true,
                    tenant_id: None,
                    subscription_id: None,
                }),
            }
        }
    }

    /// The members of the named Fleet Managers, by ARM id in lower case, and with `--hubs` their hubs.
    pub(crate) fn members(&self) -> &HashSet<String> {
        &self.members.wanted
    }

    /// Checks that each named Fleet Manager was found. Tells which of its members were not.
    ///
    /// # Errors
    /// Why one could not be read; a usage error for a name without a match.
    pub(super) fn check_fleets(&self) -> Result<()> {
        let mut named = self.request.scope.fleets.iter();
        if let Some(missing) = named.find(|name| !self.members.found.contains(*name)) {
            return Err(match self.fleets.warnings.first() {
                Some(warning) => warning.failure.clone(),
                None => self.no_such_fleet(missing),
            });
        }
        if let Some(note) = self.members_out_of_reach() {
            self.observer.on(Event::Note(&note));
        }
        Ok(())
    }

    fn no_such_fleet(&self, name: &str) -> Failure {
        let names: Vec<_> = self.members.names.iter().collect();
        let question = near::did_you_mean(name, &names);
        let visible = match names.len() {
            0 => "no Fleet Manager is visible: check the account and `--subscription`".to_owned(),
            1 => format!("1 Fleet Manager is visible: {}", sentence::some_of(&names)),
            count => format!(
                "{count} Fleet Managers are visible: {}",
                sentence::some_of(&names)
            ),
        };
        let hint = match question {
            Some(question) => format!("{question} {visible}"),
            None => visible,
        };
        Failure::usage(format!("no Fleet Manager has the name or ARM id `{name}`")).hint(hint)
    }

    /// A line about members that are not among the listed clusters.
    fn members_out_of_reach(&self) -> Option<String> {
        let missing = self.members.wanted.difference(&self.members.listed);
        let missing: Vec<ClusterId> = missing
            .filter_map(|key| ClusterId::parse_as(key, &IdKind::ManagedCluster).ok())
            .collect();
        let searched = self.searched.iter().map(|one| one.subscription.id.as_str());
        let searched: HashSet<&str> = searched.collect();
        let is_searched = |id: &&ClusterId| searched.contains(id.subscription_id.as_str());
        let (unseen, elsewhere): (Vec<_>, Vec<_>) = missing.iter().partition(is_searched);
        let subscriptions = distinct(elsewhere.iter().map(|id| &id.subscription_id));
        let elsewhere = distinct(elsewhere.iter().map(|id| &id.name));
        let unseen = distinct(unseen.iter().map(|id| &id.name));
        let elsewhere = (!elsewhere.is_empty()).then(|| {
            format!(
                "{} in subscriptions that are not searched ({})",
                sentence::some_of(&elsewhere),
                sentence::some_of(&subscriptions)
            )
        });
        let unseen = (!unseen.is_empty()).then(|| {
            format!(
                "{}, which this account does not see",
                sentence::some_of(&unseen)
            )
        });
        let parts: Vec<_> = [elsewhere, unseen].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("note: members are left out: {}", parts.join("; ")))
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn id_of(name: &str) -> Option<ClusterId> {
    ClusterId::parse_as(name.trim(), &IdKind::FleetManager).ok()
}
