//! `sync` and `convert-kubeconfig`: what they write, also where they are killed.

use azure_sim::{Endpoint, Fault};

use super::{Play, Wrong};
use crate::{
    env::CLOUD,
    sequences::{
        kubeconfig::Says,
        machine::Machine,
        model::{Entry, asks_a_person},
        step::*,
    },
};

impl Play<'_> {
    /// The arguments of `sync`, and what it makes contexts say.
    pub(super) fn sync_args(&self, how: SyncAs) -> Vec<String> {
        let mut args: Vec<String> = ["sync", "--environment", CLOUD].map(str::to_owned).to_vec();
        match how {
            SyncAz(_) => {}
            SyncPerson(account) => {
                args.extend(["--login", "devicecode"].map(str::to_owned));
                if let Some(person) = account {
                    args.extend(["--account".into(), self.machine.user(person).upn.clone()]);
                }
            }
            SyncApp(tenant) => {
                args.extend(["--login", "spn", "--tenant-id"].map(str::to_owned));
                args.push(self.machine.tenant(tenant).to_owned());
                args.extend([
                    "--client-id".into(),
                    self.machine.principal(tenant).client_id.clone(),
                ]);
            }
        }
        args
    }

    pub(super) fn sync_env(&self, how: SyncAs) -> Option<(&'static str, String)> {
        match how {
            SyncAz(Apart) => Some((
                "AZURE_CONFIG_DIR",
                self.machine.az_directory(Apart).display().to_string(),
            )),
            SyncApp(tenant) => Some((
                "AZURE_CLIENT_SECRET",
                self.machine.principal(tenant).secret().to_owned(),
            )),
            _ => None,
        }
    }

    pub(super) fn synced(&self, how: SyncAs, tenant: Tenant) -> Option<Says> {
        let says = Says {
            mode: DeviceCode,
            tenant: Some(tenant),
            client: None,
            hint: None,
            other_server: false,
            place: Usual,
        };
        match how {
            SyncAz(place) => Some(Says {
                mode: AsAz,
                place,
                ..says
            }),
            SyncPerson(hint) => Some(Says {
                client: Some(AzureCli),
                hint,
                ..says
            }),
            SyncApp(own) => (own == tenant).then_some(Says {
                mode: AsApp(own),
                client: Some(Principal(own)),
                ..says
            }),
        }
    }

    pub(super) fn sync(&mut self, how: SyncAs, who: Option<Person>) -> Result<(), Wrong> {
        let args = self.sync_args(how);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let who = who.filter(|_| matches!(how, SyncPerson(_)));
        let mut command = self.machine.command(who);
        command.args(&args).envs(self.sync_env(how));
        let ran = match who {
            Some(_) => self.machine.run_at_a_terminal(command),
            None => self.machine.run(command),
        };
        self.machine.settle();
        let done = matches!(ran.code, Some(0 | 3));
        if let (SyncPerson(account), Some(who), true) = (how, who, ran.asked()) {
            // A token that could not be fetched is a warning: the sync continued without one.
            let taken = !ran.stderr.contains("was asked for");
            if account.is_some_and(|account| account != who) && ran.code == Some(0) && taken {
                return Err(format!(
                    "the sign-in of {who:?} was taken for {account:?}\n{}",
                    ran.stderr
                ));
            }
            if done && taken {
                self.model.signed_in(AzureCli, None, account, who);
            } else {
                self.model.may_have_signed_in(AzureCli, None, account, who);
            }
        }
        let az_is_there = match how {
            SyncAz(place) => !self
                .model
                .may_be(&self.synced(SyncAz(place), One).expect("of both tenants"))
                .is_empty(),
            _ => false,
        };
        if ran.code != Some(0)
            && self.machine.clock_is_right()
            && (az_is_there || matches!(how, SyncApp(_)))
        {
            return Err(format!("it failed for no reason\n{}", ran.stderr));
        }
        self.after_sync(how, ran.code == Some(0))
            .map_err(|wrong| format!("{wrong}\n{}", ran.stderr))
    }

    /// Learns what `sync` wrote, and holds it to what it had to write.
    pub(super) fn after_sync(&mut self, how: SyncAs, all: bool) -> Result<(), Wrong> {
        self.reread()?;
        for tenant in [One, Two] {
            let context = Cluster(tenant);
            let name = self.name(context);
            let Some(expected) = self.synced(how, tenant) else {
                continue;
            };
            // A tenant that requires a prompt is skipped.
            let left_out = asks_a_person(expected.mode) && self.model.is_refused(tenant);
            let all = all && !left_out;
            if self.read.link(&self.machine.known, &name)?.is_none() {
                if all {
                    return Err(format!("`{name}` was not written"));
                }
                continue;
            }
            let found = self.read.says(self.machine, &name)?;
            let old = self.says(context);
            let as_it_was = old.as_ref() == Some(&found);
            // Only `azurecli` cares where az keeps its accounts.
            let alike = Says {
                place: expected.place,
                ..found.clone()
            } == expected
                && (expected.mode != AsAz || found.place == expected.place);
            if !alike && (all || !as_it_was) {
                return Err(format!(
                    "`{name}` says {found:?}, and should say {expected:?}"
                ));
            }
            if alike {
                let entry = self
                    .model
                    .entries
                    .entry(context)
                    .or_insert_with(|| Entry::new(found.clone()));
                if !as_it_was {
                    entry.before.clear();
                }
                // Where nothing had to change, it may remember or not.
                entry.may_forget = true;
                entry.by_sync = true;
                entry.says = found;
            }
        }
        Ok(())
    }

    pub(super) fn convert_args(&self, mode: Mode, one: Option<Context>) -> Vec<String> {
        let mut args = vec!["convert-kubeconfig".to_owned(), "--login".to_owned()];
        match mode {
            DeviceCode => args.push("devicecode".into()),
            Interactive => args.push("interactive".into()),
            AsAz => args.push("azurecli".into()),
            AsApp(tenant) => {
                let principal = self.machine.principal(tenant);
                args.extend(["spn", "--environment", CLOUD, "--client-id"].map(str::to_owned));
                args.push(principal.client_id.clone());
                args.extend(["--tenant-id".into(), self.machine.tenant(tenant).to_owned()]);
            }
        }
        if let Some(context) = one {
            args.extend(["--context".into(), self.name(context)]);
        }
        args
    }

    pub(super) fn convert(&mut self, mode: Mode, one: Option<Context>) -> Result<(), Wrong> {
        if one.is_some_and(|one| !self.model.entries.contains_key(&one)) {
            return Ok(());
        }
        let mut command = self.machine.command(None);
        command.args(self.convert_args(mode, one));
        let ran = self.machine.run(command);
        if !matches!(ran.code, Some(0 | 1 | 3)) {
            return Err(format!("it ended with {:?}\n{}", ran.code, ran.stderr));
        }
        self.after_convert(mode, one, true)
            .map_err(|wrong| format!("{wrong}\n{}", ran.stderr))
    }

    pub(super) fn after_convert(
        &mut self,
        mode: Mode,
        one: Option<Context>,
        all: bool,
    ) -> Result<(), Wrong> {
        self.reread()?;
        let contexts: Vec<Context> = self.model.entries.keys().copied().collect();
        for context in contexts {
            let name = self.name(context);
            let found = self.read.says(self.machine, &name)?;
            let entry = self.model.entries[&context].clone();
            let as_it_was = found == entry.says;
            let converted = entry
                .converted(mode)
                .filter(|_| one.is_none_or(|one| one == context));
            let forgetful = Entry {
                before: Vec::new(),
                ..entry.clone()
            };
            let without_memory = entry
                .may_forget
                .then(|| forgetful.converted(mode))
                .flatten();
            let expected = converted
                .iter()
                .chain(&without_memory)
                .find(|(says, _)| *says == found);
            match (expected, &converted) {
                (Some((says, before)), _) => {
                    let entry = self.model.entries.get_mut(&context).expect("it is there");
                    entry.by_sync &= entry.says.mode == says.mode;
                    (entry.says, entry.before) = (says.clone(), before.clone());
                }
                (None, None) if as_it_was => {}
                (None, Some(_)) if as_it_was && (!all || entry.may_forget) => {}
                (None, Some((says, _))) => {
                    return Err(format!(
                        "`{name}` said {:?}, says {found:?}, and should say {says:?}",
                        entry.says
                    ));
                }
                (None, None) => {
                    return Err(format!(
                        "`{name}` says {found:?}, and should still say {:?}",
                        entry.says
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn kill(&mut self, killed: Killed, at: At) -> Result<(), Wrong> {
        let mut asks = None;
        let mut command = match killed {
            Getting(context, who) => {
                let who = self.present(context, who);
                let Some(command) = self.get_token(context, who) else {
                    return Ok(());
                };
                asks = who;
                command
            }
            Syncing(how) => {
                let mut command = self.machine.command(None);
                command.args(self.sync_args(how)).envs(self.sync_env(how));
                command
            }
            Converting(mode) => {
                let mut command = self.machine.command(None);
                command.args(self.convert_args(mode, None));
                command
            }
        };
        let hold = match at {
            Write(call) => {
                command.env("AAD_MACHINE_DIES_AT", call.to_string());
                None
            }
            TokenAnswer => Some(Fault::on(Endpoint::Token)),
            ClusterAnswer => Some(Fault::on(Endpoint::ListClusterUserCredential)),
        };
        let hold = hold.map(|which| self.machine.simulator().hold(which));
        let mut started = self.machine.start(command);
        if let Some(hold) = hold
            && Self::wait_for(&mut started, || hold.waiting() > 0)
        {
            Machine::kill(&mut started);
        }
        let ran = self.machine.finish(started);
        self.machine.settle();
        match killed {
            Getting(context, _) if ran.code.is_some() => self.judge(context, asks, &ran),
            Getting(context, _) => {
                let says = self.says(context).expect("there is such a context");
                if let (Some(who), Some(client), true) = (asks, says.client, ran.asked())
                    && says.hint.is_none_or(|hint| hint == who)
                {
                    self.model
                        .may_have_signed_in(client, says.tenant, says.hint, who);
                }
                Ok(())
            }
            Syncing(how) => self.after_sync(how, false),
            Converting(mode) => self.after_convert(mode, None, false),
        }
    }
}
