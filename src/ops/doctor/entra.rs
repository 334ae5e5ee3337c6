//! Checks of the way to Entra ID and to Azure Resource Manager, and of the clock by what Entra answers.

use std::time::Duration;

use futures::future::{LocalBoxFuture, join_all};
use reqwest::Method;
use tokio::time::timeout;
use url::Url;

use super::{Check, Finding, Machine, Run, Severity};
use crate::{
    azure::{Cloud, cloud::ToolCloud},
    error::{Failure, Kind, Result},
    host::{
        Host, Http,
        http::{origin, retry::parse_date},
    },
    login::{LoginMode, Param, Principal},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "AAD039",
        title: "this machine's clock is wrong",
        severity: Severity::Problem,
        why: "Tokens count as expired or not yet valid, assertions are refused, and certificates may be.",
        remedy: "Set the clock, and let it be kept right by the time service of the system.",
        run: Run::Network(clock),
    },
    Check {
        code: "AAD040",
        title: "Entra ID or Azure Resource Manager can't be reached",
        severity: Severity::Note,
        why: "No new token can be had, or no cluster listed, until it can. Cached tokens work until they expire.",
        remedy: "Check the connection, the proxy and the name server; a firewall must let HTTPS to the host pass.",
        run: Run::Network(unreachable),
    },
];

/// How long a service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How wrong a clock may be, in seconds: what Entra ID tolerates.
const TOLERATED: i64 = 300;
/// How many services are asked at most.
const MOST: usize = 6;

/// A service that was asked.
pub(super) struct Asked {
    service: &'static str,
    origin: String,
    /// How many seconds its clock is ahead of this machine's, if it told.
    answer: Result<Option<i64>>,
}

impl Machine {
    /// Entra ID and Azure Resource Manager in the clouds that sign-ins use.
    async fn asked(&self) -> &[Asked] {
        self.asked.get_or_init(|| ask(self)).await
    }
}

async fn ask(machine: &Machine) -> Vec<Asked> {
    let mut urls: Vec<(&'static str, Url)> = Vec::new();
    let mut add = |service, url: Url| {
        let is_known = urls.iter().any(|(_, known)| known.origin() == url.origin());
        if !is_known && urls.len() < MOST {
            urls.push((service, url));
        }
    };
    for cloud in clouds(machine) {
        if let Ok(url) = cloud
            .authority
            .join("common/v2.0/.well-known/openid-configuration")
        {
            add("Entra ID", url);
        }
        // It needs no token.
        if let Ok(url) = cloud.arm.join("metadata/endpoints?api-version=2022-09-01") {
            add("Azure Resource Manager", url);
        }
    }
    let asked = urls.into_iter().map(|(service, url)| async move {
        let answer = match machine.host.http() {
            Ok(http) => seconds_ahead(&url, http, &machine.host).await,
            Err(why) => Err(why),
        };
        Asked {
            service,
            origin: origin(&url),
            answer,
        }
    });
    join_all(asked).await
}

/// The clouds of the sign-ins, and of `sync`. One that is not known is another check's.
fn clouds(machine: &Machine) -> Vec<Cloud> {
    let mut found = Vec::new();
    for sign_in in machine.sign_ins() {
        let text = |param| sign_in.settings.text(param);
        let principal = sign_in.mode().map(|mode| mode.row().principal);
        found.extend(match principal {
            Some(Principal::Person | Principal::Application) => Cloud::named(
                text(Param::Environment),
                text(Param::AuthorityHost),
                &sign_in.host,
            )
            .ok(),
            Some(Principal::Tool) => of_tool(&sign_in.host),
            _ => None,
        });
    }
    if machine.sign_ins().is_empty() {
        found.extend(match machine.mode_of_sync() {
            Some(LoginMode::AzureCli) => of_tool(&machine.host),
            _ => Cloud::named(None, None, &machine.host).ok(),
        });
    }
    found
}

fn of_tool(host: &Host) -> Option<Cloud> {
    let tool = ToolCloud::of_az(host, &str::to_owned);
    tool.ok().map(|tool| tool.cloud)
}

/// Asks a service for anything, and compares the time of its answer. Any answer shows that it can be reached.
async fn seconds_ahead(url: &Url, http: &Http, host: &Host) -> Result<Option<i64>> {
    let before = host.now();
    let request = http.request(Method::GET, url)?;
    let answer = timeout(TIMEOUT, http.send(request)).await.map_err(|_| {
        let seconds = TIMEOUT.as_secs();
        let service = origin(url);
        Failure::of(
            Kind::Timeout,
            format!("`{service}` did not answer within {seconds} s"),
        )
    })??;
    let now = i64::midpoint(before, host.now());
    let theirs = answer.header("date").and_then(parse_date);
    Ok(theirs.map(|theirs| theirs.saturating_sub(now)))
}

fn clock(machine: &Machine) -> LocalBoxFuture<'_, Result<Vec<Finding>>> {
    Box::pin(async {
        let asked = machine.asked().await.iter();
        let told = asked.filter(|one| one.service == "Entra ID");
        let mut told = told.filter_map(|one| Some((one, one.answer.as_ref().ok().copied()??)));
        let wrong = told.find(|(_, ahead)| ahead.abs() > TOLERATED);
        Ok(wrong
            .map(|(one, ahead)| {
                let way = if ahead > 0 { "behind" } else { "ahead of" };
                let finding = Finding::new(format!(
                    "the clock is {} {way} that of `{}`",
                    for_people(ahead.unsigned_abs()),
                    one.origin
                ));
                with_remedy(finding, &machine.host)
            })
            .into_iter()
            .collect())
    })
}

fn for_people(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        s if s < 2 * HOUR => format!("{} minutes", s / MINUTE),
        s if s < 2 * DAY => format!("{} hours", s / HOUR),
        s => format!("{} days", s / DAY),
    }
}

/// Adds the command that sets the clock here.
fn with_remedy(finding: Finding, host: &Host) -> Finding {
    let has = |program| host.find_program(program).is_some();
    if cfg!(windows) {
        finding.command("w32tm /resync")
    } else if cfg!(target_os = "macos") {
        finding.command("sudo sntp -sS time.apple.com")
    } else if host.var_nonempty("WSL_DISTRO_NAME").is_some() {
        // The clock of WSL stands still while Windows sleeps.
        finding.command("sudo hwclock -s")
    } else if has("timedatectl") {
        finding.command("sudo timedatectl set-ntp true")
    } else if has("chronyc") {
        finding.command("sudo chronyc makestep")
    } else {
        finding.advice("set the clock; that of a container is its host's")
    }
}

fn unreachable(machine: &Machine) -> LocalBoxFuture<'_, Result<Vec<Finding>>> {
    Box::pin(async {
        let asked = machine.asked().await.iter();
        let findings = asked.filter_map(|one| {
            let why = one.answer.as_ref().err()?;
            let why = why
                .clone()
                .context(format!("{} can't be reached", one.service));
            Some(Finding::from(&why))
        });
        Ok(findings.collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_largest_unit() {
        for (seconds, shown) in [(301, "5 minutes"), (7_200, "2 hours"), (200_000, "2 days")] {
            assert_eq!(for_people(seconds), shown);
        }
    }
}
