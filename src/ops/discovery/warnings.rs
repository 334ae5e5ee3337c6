//! What could not be searched, and what to do about it.

use std::collections::BTreeSet;

use super::Discovery;
use crate::{
    error::{Failure, Kind},
    fleet::Tenant,
    login::command::quoted,
    near, sentence,
};

/// Something that could not be searched.
#[derive(Clone)]
pub(crate) struct Warning {
    pub(crate) failure: Failure,
    /// Whether the run is incomplete because of it.
    pub(crate) incomplete: bool,
    /// The id of the tenant, or of the subscription's tenant, if it is known.
    pub(crate) tenant_id: Option<String>,
    /// The id of the subscription, if it is one that could not be searched.
    pub(crate) subscription_id: Option<String>,
}

impl Discovery<'_> {
    /// What could not be searched.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let tenants = self.tenants.iter().filter_map(|(tenant, read)| {
            let why = read.as_ref().err()?;
            Some(Warning {
                incomplete: self.is_incomplete_without(tenant, why),
                failure: self.with_command(why.clone(), tenant),
                tenant_id: tenant.id.clone(),
                subscription_id: None,
            })
        });
        let subscriptions = self.searched.iter().filter_map(|one| {
            let tenant_id = &one.subscription.tenant_id;
            Some(Warning {
                failure: one.read.as_ref().err()?.clone(),
                incomplete: true,
                tenant_id: Some(tenant_id.clone()).filter(|id| !id.is_empty()),
                subscription_id: Some(one.subscription.id.clone()),
            })
        });
        let others = self.failures.iter().map(|why| Warning {
            failure: why.clone(),
            incomplete: self.request.scope.subscriptions.is_empty(),
            tenant_id: None,
            subscription_id: None,
        });
        let fleets = self.fleet_warnings();
        tenants
            .chain(subscriptions)
            .chain(others)
            .chain(fleets)
            .collect()
    }

    /// Whether the run is incomplete without a tenant that failed. A named tenant always counts; if subscriptions are
    /// named, one that has a searched subscription. Of the others a guest tenant that does not let the account in does not.
    fn is_incomplete_without(&self, tenant: &Tenant, why: &Failure) -> bool {
        if self.request.scope.names_tenants() {
            return true;
        }
        if !self.request.scope.subscriptions.is_empty() {
            let mut searched = self.searched.iter();
            return searched.any(|one| one.subscription.arm_tenant == tenant.asked);
        }
        tenant.id == self.own_tenant
            || tenant.asked.is_none()
            || matches!(
                why.kind(),
                Kind::Network | Kind::Timeout | Kind::Untrusted | Kind::NotInstalled
            )
    }

    /// Adds how to sign in to a tenant that could not be entered, or how to exclude it.
    pub(super) fn with_command(&self, why: Failure, tenant: &Tenant) -> Failure {
        let Some(name) = tenant.argument() else {
            return why;
        };
        if why.kind() == Kind::NotFound && !tenant.entered {
            return self.with_near_tenants(why, name);
        }
        if tenant.entered || !needs_a_person(&why) {
            return why;
        }
        let sign_in = match (self.request.sign_in_command(name), why.hint_text()) {
            (Some(command), _) => format!("to sign in there, run `{command}`"),
            (None, Some(hint)) => hint.to_owned(),
            (None, None) => return why,
        };
        if self.request.scope.names_tenants() {
            return why.hint(sign_in);
        }
        why.hint(format!(
            "{sign_in}; to exclude it, use `--exclude-tenant {}`",
            quoted(name)
        ))
    }

    /// Adds the tenants that may have been meant to the hint.
    fn with_near_tenants(&self, why: Failure, name: &str) -> Failure {
        let known = self.request.known_tenants();
        let question = near::did_you_mean(name, &known);
        let known = match known.is_empty() {
            true => None,
            false => Some(format!("az has accounts in {}", sentence::some_of(&known))),
        };
        let hint = why.hint_text().map(str::to_owned);
        let hints: Vec<_> = [hint, known].into_iter().flatten().collect();
        match (question, hints.join("; ")) {
            (None, hints) if hints.is_empty() => why,
            (None, hints) => why.hint(hints),
            (Some(question), hints) => why.hint(format!("{question} otherwise {hints}")),
        }
    }

    /// Adds how to get into the tenants that failed, or what to do about another failure, to the hint.
    pub(super) fn with_sign_ins(&self, why: Failure) -> Failure {
        let failed = self.tenants.iter().find_map(|(tenant, read)| {
            let failed = read.as_ref().err()?;
            let failed = self.with_command(failed.clone(), tenant);
            failed.hint_text().map(str::to_owned)
        });
        let other = || {
            self.failures
                .iter()
                .find_map(Failure::hint_text)
                .map(str::to_owned)
        };
        let failed = failed.or_else(other);
        let hints = failed.into_iter().chain(why.hint_text().map(str::to_owned));
        let hint = hints.collect::<Vec<_>>().join("; ");
        why.hint(hint)
    }
}

/// An exclusion without effect, with the nearest names and some of those that there are.
pub(super) fn matches_no_tenant(tenant: &str, names: &BTreeSet<String>) -> String {
    let question = near::did_you_mean(tenant, names);
    let question = question.map(|question| format!("; {question}"));
    let names: Vec<_> = names.iter().collect();
    format!(
        "warning: `--exclude-tenant {tenant}` matches no tenant that this sign-in can see ({}){}",
        sentence::some_of(&names),
        question.unwrap_or_default()
    )
}

/// Whether a person could change the outcome by signing in.
pub(super) fn needs_a_person(why: &Failure) -> bool {
    matches!(why.kind(), Kind::SignInNeeded | Kind::Denied)
}

pub(super) fn sign_in_failed(tenant: &Tenant, why: Failure) -> Failure {
    match tenant.argument() {
        Some(_) => why.context(format!("could not sign in to {}", tenant.label())),
        None => why.context("could not sign in to Azure"),
    }
}
