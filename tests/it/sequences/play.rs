//! Plays a sequence, and holds the program to the rules after each step.

mod answers;
mod writes;

use std::fs;

use super::{
    kubeconfig::{self, Read, Says},
    machine::Machine,
    model::{Entry, Model, asks_a_person},
    step::*,
};

/// What went wrong.
pub(super) type Wrong = String;

/// Plays the steps from the start.
///
/// # Errors
/// The first rule that was broken, and at which step.
pub(super) fn play(machine: &mut Machine, steps: &[Step]) -> Result<(), Wrong> {
    let mut play = Play::new(machine);
    for (at, step) in steps.iter().enumerate() {
        play.count = at;
        play.step(*step)
            .and_then(|()| play.look())
            .map_err(|wrong| format!("step {at}, `{step:?}`: {wrong}"))?;
    }
    play.at_the_end()
        .map_err(|wrong| format!("at the end: {wrong}"))
}

struct Play<'a> {
    machine: &'a mut Machine,
    model: Model,
    read: Read,
    /// Whether nobody has looked at it yet.
    is_new: bool,
    /// The number of the step.
    count: usize,
}

impl<'a> Play<'a> {
    fn new(machine: &'a mut Machine) -> Self {
        machine.restart();
        let text = kubeconfig::initial_text(machine);
        fs::write(machine.kubeconfig(), &text).expect("written");
        let read = Read::new(text).expect("it is whole");
        let mut model = Model::default();
        for context in kubeconfig::initial_contexts() {
            let says = kubeconfig::initial(context);
            let name = kubeconfig::name(machine, context);
            assert_eq!(read.says(machine, &name), Ok(says.clone()), "{name}");
            model.entries.insert(context, Entry::new(says));
        }
        for (place, person) in [(Usual, Ann), (Apart, Bob)] {
            machine.az(place, Some(person));
            model.az(place, Some(person));
        }
        Self {
            machine,
            model,
            read,
            is_new: false,
            count: 0,
        }
    }

    fn name(&self, context: Context) -> String {
        kubeconfig::name(self.machine, context)
    }

    fn says(&self, context: Context) -> Option<Says> {
        Some(self.model.entries.get(&context)?.says.clone())
    }

    fn step(&mut self, step: Step) -> Result<(), Wrong> {
        match step {
            Token(context, who) => self.token(context, who, &[]),
            TokenAmongVariables(context) => {
                if !self
                    .model
                    .entries
                    .get(&context)
                    .is_some_and(|entry| entry.by_sync)
                {
                    return Ok(());
                }
                let principal = self.machine.principal(Two);
                let variables = [
                    ("AZURE_TENANT_ID", self.machine.tenant(Two).to_owned()),
                    ("AZURE_CLIENT_ID", principal.client_id.clone()),
                ];
                self.token(context, None, &variables)
            }
            Race(first, second, who) => self.race(first, second, who),
            Overtake(first, second, who) => self.overtake(first, second, who),
            Sync(how, who) => self.sync(how, who),
            Convert(mode, one) => self.convert(mode, one),
            ByHand(context, edit) => self.edit(context, edit),
            Revoke(person) => {
                let upn = self.machine.user(person).upn.clone();
                self.machine.simulator().revoke_refresh_tokens(&upn);
                self.model.revoke(person);
                Ok(())
            }
            Refuse(tenant, refusal) => {
                self.machine.refuse(tenant, refusal);
                self.model.refuse(tenant, refusal);
                Ok(())
            }
            Accept => {
                self.machine.simulator().faults().clear();
                self.model.accept();
                Ok(())
            }
            AzLogin(place, person) => {
                self.machine.az(place, Some(person));
                self.model.az(place, Some(person));
                Ok(())
            }
            AzLogout(place) => {
                if self.model.az_has(place) {
                    self.machine.az(place, None);
                }
                self.model.az(place, None);
                Ok(())
            }
            Clear(what) => self.clear(what),
            Wait(span) => {
                self.machine.pass(span);
                if self.machine.is_old() {
                    self.model.outlive();
                }
                Ok(())
            }
            SetClock(clock) => {
                self.machine.set_clock(clock);
                Ok(())
            }
            Kill(killed, at) => self.kill(killed, at),
        }
    }

    fn edit(&mut self, context: Context, edit: Edit) -> Result<(), Wrong> {
        let Some(says) = self.says(context) else {
            return Ok(());
        };
        // An application's secret is for its own tenant, so no entry is moved to another one.
        if matches!(says.mode, AsApp(_)) && edit == OtherTenant {
            return Ok(());
        }
        let count = self.count;
        let Some(text) =
            kubeconfig::edited(self.machine, self.read.text(), context, &says, edit, count)
        else {
            return Ok(());
        };
        fs::write(self.machine.kubeconfig(), text).expect("written");
        let entry = self.model.entries.get_mut(&context).expect("it is there");
        match edit {
            Note => entry.note = Some(format!("# note {count}")),
            Namespace => entry.namespace = Some(format!("ns{count}")),
            Variable => {
                entry.variable = Some(count.to_string());
                entry.may_forget = true;
            }
            OtherTenant => {
                entry.says.tenant = says
                    .tenant
                    .map(|tenant| if tenant == One { Two } else { One })
            }
            OtherServer => entry.says.other_server = !says.other_server,
            Account(person) => entry.says.hint = Some(person),
        }
        if entry.says != says {
            entry.before.clear();
        }
        self.reread()?;
        let found = self.read.says(self.machine, &self.name(context))?;
        assert_eq!(
            Some(found),
            self.says(context),
            "the edit is as it was meant"
        );
        Ok(())
    }

    fn clear(&mut self, what: Forget) -> Result<(), Wrong> {
        let mut command = self.machine.command(None);
        command.args(["cache", "clear"]);
        match what {
            Everything => {}
            OfAccount(person) => {
                command.args(["--account", &self.machine.user(person).upn]);
            }
            OfContext(context) if self.model.entries.contains_key(&context) => {
                command.args(["--context", &self.name(context)]);
                if let Some(AsApp(tenant)) = self.says(context).map(|says| says.mode) {
                    command.env(
                        "AZURE_CLIENT_SECRET",
                        self.machine.principal(tenant).secret(),
                    );
                }
            }
            OfContext(_) => return Ok(()),
        }
        let ran = self.machine.run(command);
        if ran.code != Some(0) {
            return Err(format!("it ended with {:?}\n{}", ran.code, ran.stderr));
        }
        self.model.forget(what);
        Ok(())
    }

    /// Reads the kubeconfig where it has changed.
    fn reread(&mut self) -> Result<(), Wrong> {
        let text = fs::read_to_string(self.machine.kubeconfig())
            .map_err(|e| format!("the kubeconfig: {e}"))?;
        if !self.read.is(&text) {
            self.is_new = true;
            self.read = Read::new(text.clone())
                .map_err(|wrong| format!("the kubeconfig: {wrong}\n{text}"))?;
        }
        Ok(())
    }

    /// Looks whether anything that was whole is lost.
    fn look(&mut self) -> Result<(), Wrong> {
        self.reread()?;
        if !std::mem::take(&mut self.is_new) {
            return Ok(());
        }
        let (count, known) = (self.read.count(), self.model.entries.len() + 1);
        if count != known {
            return Err(format!(
                "there are {count} contexts and should be {known}:\n{}",
                self.read.text()
            ));
        }
        for (context, entry) in &self.model.entries {
            let name = self.name(*context);
            let lost = |what: &str| Err(format!("`{name}` lost its {what}:\n{}", self.read.text()));
            let Some(link) = self.read.link(&self.machine.known, &name)? else {
                return lost("context");
            };
            let is_shared = matches!(context, Cluster(_)) && link.user.starts_with("aad:");
            if link.cluster != name || (link.user != name && !is_shared) {
                return lost("cluster or user");
            }
            if link.namespace != entry.namespace {
                return lost("namespace");
            }
            let exec = self.read.exec(&self.machine.known, &name)?;
            let Some(exec) = exec else {
                return lost("user");
            };
            let variable = exec.env.iter().find(|(name, _)| name == "EDITED");
            if variable.map(|(_, value)| value) != entry.variable.as_ref() {
                return lost("variable");
            }
            let note = |note: &String| self.read.text().contains(&format!("{note}\n"));
            if !entry.note.as_ref().is_none_or(note) {
                return lost("note");
            }
        }
        Ok(())
    }

    /// Reads the kubeconfig as a whole, and gets a token for each context again, with nobody to sign in.
    fn at_the_end(&mut self) -> Result<(), Wrong> {
        self.read.is_good()?;
        let contexts: Vec<Context> = self.model.entries.keys().copied().collect();
        for context in contexts {
            // What `az` and applications answer depends on no earlier answer.
            if !self
                .says(context)
                .is_some_and(|says| asks_a_person(says.mode))
            {
                continue;
            }
            self.token(context, None, &[])?;
        }
        Ok(())
    }
}
