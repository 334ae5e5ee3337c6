//! The status for scripts.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::words::code;
use crate::{
    cli::cache::StoreRow,
    host::timestamp::rfc3339,
    ops::{
        logout::Forgotten,
        status::{CloudSync, Group, Next, Problem, SignInStatus, StatusReport, VariableStatus},
    },
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    sign_ins: Vec<SignInRow<'a>>,
    other_accounts: Vec<OtherRow<'a>>,
    az_accounts: Vec<&'a str>,
    store: Option<StoreRow>,
    contexts: ContextsRow<'a>,
    syncs: Vec<SyncRow<'a>>,
    configuration: Option<ConfigurationRow<'a>>,
    variables: Vec<VariableRow<'a>>,
    problems: Vec<ProblemRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignInRow<'a> {
    account: Option<&'a str>,
    login: Option<&'static str>,
    cloud: &'a str,
    tenant_id: Option<&'a str>,
    tenant: Option<&'a str>,
    contexts: usize,
    expires_on: Option<String>,
    next: &'static str,
    command: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OtherRow<'a> {
    account: Option<&'a str>,
    login: &'a str,
    tenants: Vec<&'a str>,
    sign_ins: usize,
    tokens: usize,
    expires_on: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextsRow<'a> {
    files: Vec<String>,
    total: usize,
    admin: usize,
    current: Option<&'a str>,
    not_seen: &'a [String],
    by_subscription: Vec<GroupRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupRow<'a> {
    tenant_id: Option<&'a str>,
    tenant: Option<&'a str>,
    subscription_id: &'a str,
    subscription: Option<&'a str>,
    contexts: usize,
    admin: usize,
    logins: &'a BTreeMap<String, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncRow<'a> {
    cloud: &'a str,
    at: Option<String>,
    complete: Option<bool>,
    last_complete_at: Option<String>,
}

#[derive(Serialize)]
struct ConfigurationRow<'a> {
    file: String,
    profile: Option<&'a str>,
}

#[derive(Serialize)]
struct VariableRow<'a> {
    name: &'a str,
    value: Option<&'a str>,
    flag: Option<&'a str>,
    contexts: Option<usize>,
    overrides: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemRow<'a> {
    code: &'static str,
    message: &'a str,
    causes: &'a [String],
    hint: Option<&'a str>,
    stops_kubectl: bool,
}

impl<'a> Document<'a> {
    pub(super) fn of(found: &'a StatusReport, file: Option<(&'a Path, Option<&'a str>)>) -> Self {
        Self {
            sign_ins: found.sign_ins.iter().map(SignInRow::from).collect(),
            other_accounts: found.others.iter().map(OtherRow::from).collect(),
            az_accounts: found.az.iter().map(String::as_str).collect(),
            store: found.store.as_ref().map(|store| StoreRow::from(&**store)),
            contexts: ContextsRow::from(found),
            syncs: found.fleet.clouds.iter().map(SyncRow::from).collect(),
            configuration: file.map(|(path, profile)| ConfigurationRow {
                file: path.display().to_string(),
                profile,
            }),
            variables: found.variables.iter().map(VariableRow::from).collect(),
            problems: found.problems.iter().map(ProblemRow::from).collect(),
        }
    }
}

impl<'a> From<&'a SignInStatus> for SignInRow<'a> {
    fn from(one: &'a SignInStatus) -> Self {
        Self {
            account: one.account.as_deref(),
            login: one.mode.map(crate::login::LoginMode::name),
            cloud: &one.cloud,
            tenant_id: one.tenant.as_deref(),
            tenant: one.tenant_name.as_deref(),
            contexts: one.contexts,
            expires_on: one.expires_on.and_then(rfc3339),
            next: code(&one.next),
            command: one
                .command
                .as_deref()
                .filter(|_| !matches!(one.next, Next::Failed(_))),
        }
    }
}

impl<'a> From<&'a Forgotten> for OtherRow<'a> {
    fn from(one: &'a Forgotten) -> Self {
        Self {
            account: one.account.as_deref(),
            login: &one.family,
            tenants: one.tenants.iter().map(String::as_str).collect(),
            sign_ins: one.sign_ins,
            tokens: one.tokens,
            expires_on: one.valid_until.and_then(rfc3339),
        }
    }
}

impl<'a> From<&'a StatusReport> for ContextsRow<'a> {
    fn from(found: &'a StatusReport) -> Self {
        let fleet = &found.fleet;
        let files = found.files.iter().map(|path| path.display().to_string());
        Self {
            files: files.collect(),
            total: fleet.contexts,
            admin: fleet.admin,
            current: fleet.current.as_deref(),
            not_seen: &fleet.not_seen,
            by_subscription: fleet.groups.iter().map(GroupRow::from).collect(),
        }
    }
}

impl<'a> From<&'a Group> for GroupRow<'a> {
    fn from(group: &'a Group) -> Self {
        Self {
            tenant_id: group.tenant_id.as_deref(),
            tenant: group.tenant.as_deref(),
            subscription_id: &group.subscription_id,
            subscription: group.subscription.as_deref(),
            contexts: group.contexts,
            admin: group.admin,
            logins: &group.logins,
        }
    }
}

impl<'a> From<&'a CloudSync> for SyncRow<'a> {
    fn from(cloud: &'a CloudSync) -> Self {
        Self {
            cloud: &cloud.environment,
            at: cloud.last_sync.and_then(|sync| rfc3339(sync.at)),
            complete: cloud.last_sync.map(|sync| sync.is_complete),
            last_complete_at: cloud.last_complete_sync.and_then(rfc3339),
        }
    }
}

impl<'a> From<&'a VariableStatus> for VariableRow<'a> {
    fn from(one: &'a VariableStatus) -> Self {
        let effect = one.effect.as_ref();
        Self {
            name: &one.name,
            value: one.value.as_deref(),
            flag: effect.map(|effect| effect.flag.as_str()),
            contexts: effect.map(|effect| effect.contexts),
            overrides: effect.map(|effect| effect.overrides),
        }
    }
}

impl<'a> From<&'a Problem> for ProblemRow<'a> {
    fn from(problem: &'a Problem) -> Self {
        let failure = &problem.failure;
        Self {
            code: failure.stable_code().name(),
            message: failure.message(),
            causes: failure.causes(),
            hint: failure.hint_text(),
            stops_kubectl: problem.stops_kubectl,
        }
    }
}
