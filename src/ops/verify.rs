//! `verify`: whether each cluster can be reached and takes the credential that kubectl would use.
//!
//! A credential goes to the server of its own context, once that has shown a certificate of the authority in the kubeconfig.

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt, stream};

use self::{
    credentials::Credentials,
    entry::{Credential, Wanted},
    exec_plugin::Printed,
    selection::Chosen,
    verdict::Facts,
};
use super::{
    fleet_contexts::{FleetChoice, FleetKubeconfig},
    observer::{Event, Observer},
};
use crate::{
    error::{Failure, Result},
    host::{
        Host,
        http::{
            origin,
            probe::{Probe, ServerTrust, Step, Target},
        },
    },
    kubeconfig::context_entries,
    secret::Secret,
};

mod credentials;
mod entry;
mod exec_plugin;
mod review;
mod selection;
mod verdict;

pub(crate) use verdict::{Commands, Verdict};
pub use verdict::{VERDICTS, VerdictCode};

/// How many clusters are asked at once.
const AT_ONCE: usize = 64;

/// What to verify.
pub(crate) struct VerifyRequest {
    pub(crate) host: Arc<Host>,
    /// The kubeconfig to read, rather than those that kubectl reads.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Which clusters, and whose credential.
    pub(crate) choice: FleetChoice,
    /// How long all steps to one cluster may take. Getting a token is none of them.
    pub(crate) timeout: Duration,
    /// Whether a person may be asked to sign in.
    pub(crate) may_ask: bool,
    /// The commands of hints.
    pub(crate) commands: Commands,
}

/// What was found, in the order of reports.
pub(crate) struct VerifyReport {
    pub(crate) clusters: Vec<Verified>,
}

/// A cluster, and what is said of it.
pub(crate) struct Verified {
    pub(crate) context: String,
    /// The ARM id.
    pub(crate) id: String,
    /// The address in the kubeconfig, without user name and password.
    pub(crate) server: Option<String>,
    pub(crate) verdict: Verdict,
    /// How long each step took; the last one is the one that failed, if one did.
    pub(crate) steps: Vec<(Step, Duration)>,
    /// Whether the kubeconfig says that the server's certificate is not to be verified.
    pub(crate) is_insecure: bool,
}

/// Verifies the selected clusters.
///
/// # Errors
/// If the kubeconfig can't be read, or nothing is selected.
pub(crate) async fn verify(
    request: &VerifyRequest,
    observer: &dyn Observer,
) -> Result<VerifyReport> {
    let kubeconfig = FleetKubeconfig::read(&request.host, request.kubeconfig.as_deref())?;
    let files = kubeconfig.documents()?;
    let chosen = selection::choose(request, &files, observer)?;
    let names: Vec<&str> = chosen.iter().map(|one| one.context.as_str()).collect();
    let entries = context_entries(&files, &names).into_iter();
    let wanted: Vec<Result<Wanted>> = entries
        .map(|entries| match entries {
            Some(entries) => Wanted::read(&entries),
            None => Err(Failure::new("there is no such context")),
        })
        .collect();
    let sign_ins = wanted.iter().filter_map(|one| match one {
        Ok(Wanted { user, .. }) => match &user.credential {
            Credential::SignIn(sign_in) => Some(sign_in),
            _ => None,
        },
        Err(_) => None,
    });
    let got = credentials::get(&request.host, sign_ins, request.may_ask, observer).await;
    observer.on(Event::Verifying(chosen.len()));
    let clusters = stream::iter(chosen.into_iter().zip(&wanted))
        .map(|(one, wanted)| async {
            let verified = verify_one(request, one, wanted.as_ref(), &got).await;
            observer.on(Event::Verified);
            verified
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(VerifyReport { clusters })
}

async fn verify_one(
    request: &VerifyRequest,
    chosen: Chosen,
    wanted: Result<&Wanted, &Failure>,
    got: &Credentials<'_>,
) -> Verified {
    let server = wanted.ok().map(|wanted| origin(&wanted.server.url));
    let mut verified = Verified {
        server,
        verdict: Verdict::Ok {
            user: None,
            groups: Vec::new(),
        },
        steps: Vec::new(),
        is_insecure: wanted
            .is_ok_and(|wanted| matches!(wanted.server.trust, ServerTrust::Anything)),
        context: chosen.context.clone(),
        id: chosen.id.clone(),
    };
    verified.verdict = match wanted {
        Err(why) => verdict::of_broken(why, &request.commands),
        Ok(wanted) => probe(request, &chosen, wanted, got, &mut verified.steps).await,
    };
    verified
}

/// Goes from step to step, and says what came of it.
async fn probe(
    request: &VerifyRequest,
    chosen: &Chosen,
    wanted: &Wanted,
    got: &Credentials<'_>,
    steps: &mut Vec<(Step, Duration)>,
) -> Verdict {
    let Wanted { server, user } = wanted;
    let facts = Facts {
        host: server.url.host_str().unwrap_or_default(),
        was_stopped: chosen.was_stopped,
        is_private: chosen.is_private,
        has_authority: matches!(server.trust, ServerTrust::Authorities(_)),
        signs_in: user.signs_in(),
        timeout: request.timeout,
        commands: &request.commands,
    };
    let printed = match &user.credential {
        Credential::SignIn(sign_in) => Some(&got[sign_in]),
        _ => None,
    };
    let certificate = printed.and_then(|printed| printed.as_ref().ok()?.certificate.clone());
    let target = Target {
        url: server.url.clone(),
        server_name: server.name.clone(),
        trust: server.trust.clone(),
        identity: user.certificate.clone().or(certificate),
        proxy: server.proxy.clone(),
    };
    let mut probe = match Probe::new(&target, request.timeout, &request.host) {
        Ok(probe) => probe,
        Err(why) => return verdict::of_unprepared(&why, &request.commands),
    };
    let verdict = match probe.connect().await {
        Err(error) => verdict::of_probe(&facts, &error),
        Ok(()) => match headers(wanted, printed) {
            Err(why) => verdict::of_sign_in(why),
            Ok(headers) => {
                let origin = origin(&server.url);
                match review::review(&mut probe, &origin, &headers).await {
                    Ok(review) => verdict::of_review(&facts, review),
                    Err(error) => verdict::of_probe(&facts, &error),
                }
            }
        },
    };
    *steps = probe.steps().to_vec();
    verdict
}

/// The headers that say who one is.
fn headers<'p>(
    wanted: &Wanted,
    printed: Option<&'p Result<Printed>>,
) -> Result<Vec<(&'static str, Secret)>, &'p Failure> {
    let bearer = |token: &Secret| Secret::new(format!("Bearer {}", token.expose()));
    let value = match (&wanted.user.credential, printed) {
        (_, Some(Err(why))) => return Err(why),
        (_, Some(Ok(printed))) => printed.token.as_ref().map(bearer),
        (Credential::Token(token), None) => Some(bearer(token)),
        (Credential::Password(both), None) => {
            let encoded = STANDARD.encode(both.expose());
            Some(Secret::new(format!("Basic {encoded}")))
        }
        (Credential::None | Credential::SignIn(_), None) => None,
    };
    let value = value.map(|value| ("authorization", value));
    let impersonation = wanted.user.impersonation.iter().cloned();
    Ok(value.into_iter().chain(impersonation).collect())
}
