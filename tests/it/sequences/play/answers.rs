//! Answers of `get-token`, one or two at once, and whose tokens they may hold.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use azure_sim::{AKS_SERVER_APP, AZURE_CLI_APP};
use serde_json::Value;

use super::{Play, Wrong};
use crate::sequences::{
    kubeconfig::Says,
    machine::{Machine, OTHER_SERVER, Ran, Started},
    model::{Identity, asks_a_person},
    step::*,
};

/// A command for a context that has ended, and who was there.
type Ended<'a> = (Context, Option<Person>, &'a Ran);

impl Play<'_> {
    /// A command like kubectl's for a context; `None` if there is no such context.
    pub(super) fn get_token(&self, context: Context, who: Option<Person>) -> Option<Command> {
        let exec = self.read.exec(&self.machine.known, &self.name(context));
        let exec = exec.expect("it was read before")?;
        let mut command = self.machine.command(who);
        command.args(&exec.args).envs(exec.env.iter().cloned());
        if let Some(AsApp(tenant)) = self.says(context).map(|says| says.mode) {
            command.env(
                "AZURE_CLIENT_SECRET",
                self.machine.principal(tenant).secret(),
            );
        }
        Some(command)
    }

    /// Whether anybody can ask the person: a browser is not among what is simulated here.
    pub(super) fn present(&self, context: Context, who: Option<Person>) -> Option<Person> {
        let browser = self
            .says(context)
            .is_some_and(|says| says.mode == Interactive);
        who.filter(|_| !browser)
    }

    pub(super) fn token(
        &mut self,
        context: Context,
        who: Option<Person>,
        variables: &[(&str, String)],
    ) -> Result<(), Wrong> {
        let who = self.present(context, who);
        let Some(mut command) = self.get_token(context, who) else {
            return Ok(());
        };
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let ran = self.machine.run(command);
        self.machine.settle();
        self.judge(context, who, &ran)
    }

    /// Holds an answer to the rules, and learns from it.
    pub(super) fn judge(
        &mut self,
        context: Context,
        who: Option<Person>,
        ran: &Ran,
    ) -> Result<(), Wrong> {
        let Some(says) = self.says(context) else {
            return Err("a context came from nowhere".into());
        };
        let name = self.name(context);
        let wrong = |what: String| Err(format!("`{name}` {what}\n{}", ran.stderr));
        let has_to_come = self.machine.clock_is_right() && self.model.has_to_come(&says);
        if ran.asked() && who.is_none() {
            return wrong("asked a person where nobody is".into());
        }
        if ran.asked() && has_to_come {
            return wrong("asked a person though the sign-in is good".into());
        }
        let signed_in = who.filter(|_| ran.asked());
        if ran.code != Some(0) {
            let fits = signed_in.is_some_and(|who| says.hint.is_none_or(|hint| hint == who));
            let known = !matches!(says.client, Some(Principal(_)));
            if has_to_come {
                return wrong("got no token though its sign-in is good: that was lost".into());
            }
            if fits && known && self.machine.clock_is_right() {
                return wrong("got no token though the right person signed in".into());
            }
            return Ok(());
        }
        let answer: Value =
            serde_json::from_str(&ran.stdout).map_err(|e| format!("`{name}` said no JSON: {e}"))?;
        let token = answer["status"]["token"].as_str().unwrap_or_default();
        let claims = self
            .machine
            .claims(token)
            .map_err(|e| format!("`{name}` got a token that is no good: {e}"))?;
        if let Some(who) = signed_in {
            if let Some(hint) = says.hint.filter(|hint| *hint != who) {
                return wrong(format!("took the sign-in of {who:?} for {hint:?}"));
            }
            let client = says.client.expect("people sign in with one");
            self.model.signed_in(client, says.tenant, says.hint, who);
        }
        let identity = self
            .identity(&says, &claims)
            .map_err(|e| format!("`{name}` {e}: {claims}"))?;
        let may_be = self.model.may_be(&says);
        if !may_be.contains(&identity) {
            return wrong(format!(
                "got a token of {identity:?}, and stands for {may_be:?}"
            ));
        }
        self.model.was_served(&says, identity);
        Ok(())
    }

    /// Whose token it is, once all else about it is right.
    pub(super) fn identity(&self, says: &Says, claims: &Value) -> Result<Identity, Wrong> {
        let text = |name: &str| claims[name].as_str().unwrap_or_default();
        let server = if says.other_server {
            OTHER_SERVER
        } else {
            AKS_SERVER_APP
        };
        if text("aud") != server {
            return Err("got a token for another server".into());
        }
        let tenant = [One, Two]
            .into_iter()
            .find(|tenant| self.machine.tenant(*tenant) == text("tid"));
        let tenant = tenant.ok_or("got a token of no tenant")?;
        if says.tenant.is_some_and(|wanted| wanted != tenant) {
            return Err("got a token of another tenant".into());
        }
        let client = match (says.mode, says.client) {
            (AsAz, _) => AZURE_CLI_APP,
            (_, Some(client)) => self.machine.client_id(client),
            _ => return Err("got a token without a client".into()),
        };
        if text("appid") != client {
            return Err("got a token of another application".into());
        }
        let (id, oid) = (self.machine.tenant(tenant), text("oid"));
        if let Some(person) = [Ann, Bob]
            .into_iter()
            .find(|person| self.machine.user(*person).oid_in(id) == oid)
        {
            return Ok(Identity::Human(person));
        }
        let principal = [One, Two]
            .into_iter()
            .find(|tenant| self.machine.principal(*tenant).oid == oid);
        principal
            .map(Identity::Application)
            .ok_or_else(|| "got a token of nobody".into())
    }

    /// Judges two answers of which nobody knows which came first.
    pub(super) fn judge_both(&mut self, first: Ended<'_>, second: Ended<'_>) -> Result<(), Wrong> {
        let before = self.model.clone();
        let mut in_order = |a: Ended<'_>, b: Ended<'_>| {
            self.model = before.clone();
            self.judge(a.0, a.1, a.2)
                .and_then(|()| self.judge(b.0, b.1, b.2))
        };
        in_order(first, second).or_else(|wrong| in_order(second, first).map_err(|_| wrong))
    }

    pub(super) fn race(
        &mut self,
        first: Context,
        second: Context,
        who: Option<Person>,
    ) -> Result<(), Wrong> {
        let people = [first, second].map(|context| self.present(context, who));
        let commands = [
            self.get_token(first, people[0]),
            self.get_token(second, people[1]),
        ];
        let [Some(one), Some(two)] = commands else {
            return Ok(());
        };
        let started = [self.machine.start(one), self.machine.start(two)];
        let [one, two] = started.map(|started| self.machine.finish(started));
        self.machine.settle();
        self.judge_both((first, people[0], &one), (second, people[1], &two))
    }

    /// Waits until the program has ended or `arrived` is true; whether it is the latter.
    pub(super) fn wait_for(started: &mut Started, arrived: impl Fn() -> bool) -> bool {
        loop {
            if arrived() {
                return true;
            }
            if Machine::has_ended(started) {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn overtake(
        &mut self,
        first: Context,
        second: Context,
        who: Person,
    ) -> Result<(), Wrong> {
        let people = |context| self.says(context).filter(|says| asks_a_person(says.mode));
        let (Some(one), Some(two)) = (people(first), people(second)) else {
            return Ok(());
        };
        let Some(tenant) = one.tenant else {
            return Ok(());
        };
        let who = self.present(second, Some(who));
        let commands = (self.get_token(first, None), self.get_token(second, who));
        let (Some(slow), Some(fast)) = commands else {
            return Ok(());
        };
        let hold = self.machine.hold_refresh(tenant);
        let mut slow = self.machine.start(slow);
        Self::wait_for(&mut slow, || hold.waiting() > 0);
        let mut fast = self.machine.start(fast);
        // Contexts of one account wait for one another, or answers of one tenant are held.
        let waits = (one.client, one.hint) == (two.client, two.hint);
        let begun = Instant::now();
        Self::wait_for(&mut fast, || {
            waits || hold.waiting() > 1 || begun.elapsed() > Duration::from_secs(20)
        });
        hold.release();
        let (slow, fast) = (self.machine.finish(slow), self.machine.finish(fast));
        self.machine.settle();
        self.judge_both((first, None, &slow), (second, who, &fast))
    }
}
