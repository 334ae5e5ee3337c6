//! Decides what is said of a cluster, from what happened on the way to it.

use std::{net::IpAddr, time::Duration};

use super::review::Review;
use crate::{
    error::{Failure, Kind},
    fleet::Skip,
    host::http::{
        Refusal,
        probe::{Cause, ProbeError, Step},
        proxy::Proxy,
    },
    login::CommandLine,
};

/// Declares the verdicts: each variant with its name for scripts, the words for people, and what it means.
macro_rules! codes {
    ($($variant:ident $name:literal $words:literal $meaning:literal,)*) => {
        /// What is said of a cluster. Names are never changed, and new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum VerdictCode {
            $(#[doc = $meaning] $variant,)*
        }

        /// All verdicts, by name, each with what it means.
        pub const VERDICTS: &[(VerdictCode, &str)] = &[$((VerdictCode::$variant, $meaning),)*];

        impl VerdictCode {
            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What people read.
            pub(crate) fn words(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)*
                }
            }
        }
    };
}

codes! {
    BrokenEntry "brokenEntry" "entry broken" "the context's cluster or user is missing or can't be used",
    CaChanged "caChanged" "CA changed: kubectl aad sync --refresh" "the cluster has another certificate authority than the kubeconfig",
    Closed "closed" "connection closed" "the connection was ended before an answer",
    Forbidden "forbidden" "forbidden" "the cluster knows the account, and refused to say so (403)",
    InvalidCertificate "invalidCertificate" "certificate not valid" "the server's certificate has expired, or is for another name",
    NameNotFound "nameNotFound" "name not found: deleted?" "there is no such name; the cluster may be deleted",
    Network "network" "network failed" "the network failed in another way",
    NoNameServer "noNameServer" "no name server" "no name server answered",
    NoRoute "noRoute" "private: no route" "the cluster is private, and this machine is not in its network",
    Ok "ok" "ok" "the cluster accepts the credential",
    Proxy "proxy" "proxy failed" "the proxy can't be reached, or did not connect to the cluster",
    Refused "refused" "connection refused" "nothing listens at the cluster's address",
    ServerFailed "serverFailed" "server failed" "the API server answered that it can't (429, or 500 and above)",
    SignInFailed "signInFailed" "sign-in failed" "there is no token, for another reason than a missing sign-in",
    SignInNeeded "signInNeeded" "sign-in needed" "a person has to sign in",
    Stopped "stopped" "stopped" "it does not answer, and was stopped when it was last seen",
    Timeout "timeout" "timeout" "there was no answer in time",
    TlsIntercepted "tlsIntercepted" "TLS intercepted" "something else answered, with a certificate of another authority",
    Unauthorized "unauthorized" "unauthorized" "the cluster refused the credential (401)",
    UnexpectedAnswer "unexpectedAnswer" "unexpected answer" "the answer is not that of an API server",
}

/// What is said of a cluster.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// The cluster accepts the credential.
    Ok {
        /// Who it takes a person for; none if it is too old to tell.
        user: Option<String>,
        groups: Vec<String>,
    },
    Failed {
        code: VerdictCode,
        /// The words of the code, the causes and what to do.
        why: Failure,
    },
}

impl Verdict {
    pub(crate) fn code(&self) -> VerdictCode {
        match self {
            Self::Ok { .. } => VerdictCode::Ok,
            Self::Failed { code, .. } => *code,
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Ok { .. })
    }

    /// The words for people.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Ok {
                user: Some(user), ..
            } => format!("ok as {user}"),
            _ => self.code().words().to_owned(),
        }
    }

    fn failed(code: VerdictCode) -> Draft {
        let message = match code {
            // The hint has the command, with this person's flags.
            VerdictCode::CaChanged => "CA changed",
            code => code.words(),
        };
        Draft {
            code,
            why: Failure::new(message),
        }
    }
}

/// A failed verdict that gets its causes and its hint.
struct Draft {
    code: VerdictCode,
    why: Failure,
}

impl Draft {
    fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.why = self.why.because(cause);
        self
    }

    fn because_of(mut self, failure: &Failure) -> Self {
        self.why = self.why.because_of(failure);
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Verdict {
        self.why = self.why.hint(hint);
        self.end()
    }

    fn end(self) -> Verdict {
        Verdict::Failed {
            code: self.code,
            why: self.why,
        }
    }
}

/// What a verdict depends on beside what happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// The host of the cluster's address.
    pub(crate) host: &'a str,
    /// Whether it was stopped when it was last seen.
    pub(crate) was_stopped: bool,
    /// Whether a listing says that it is private.
    pub(crate) is_private: bool,
    /// Whether the kubeconfig holds its certificate authority.
    pub(crate) has_authority: bool,
    /// How it is signed in to.
    pub(crate) signs_in: SignsIn,
    /// How long the steps could take.
    pub(crate) timeout: Duration,
    pub(crate) commands: &'a Commands,
}

/// How a context signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignsIn {
    /// With a token of ours.
    Ours,
    /// With another plugin.
    Plugin,
    /// With a certificate or token in the kubeconfig.
    Stored,
}

/// The commands that hints show, for this person's kubeconfig and role.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commands {
    /// Writes the entries as ARM describes the clusters now.
    pub(crate) refresh: CommandLine,
    /// Removes the entries of deleted clusters.
    pub(crate) prune: CommandLine,
    /// Forgets the tokens of one context.
    pub(crate) forget: CommandLine,
}

/// The verdict where there is no credential.
pub(crate) fn of_sign_in(failure: &Failure) -> Verdict {
    let code = match failure.kind() {
        Kind::SignInNeeded | Kind::Canceled => VerdictCode::SignInNeeded,
        _ => VerdictCode::SignInFailed,
    };
    let draft = Verdict::failed(code).because_of(failure);
    match (failure.hint_text(), code) {
        (None, VerdictCode::SignInNeeded) => draft.hint(
            "at a terminal this asks you to sign in, once for all clusters with the same sign-in",
        ),
        _ => draft.end(),
    }
}

/// The verdict of an entry that can't be used.
pub(crate) fn of_broken(why: &Failure, commands: &Commands) -> Verdict {
    let draft = Verdict::failed(VerdictCode::BrokenEntry).because_of(why);
    match why.hint_text() {
        Some(_) => draft.end(),
        None => draft.hint(format!("`{}` writes it again", commands.refresh)),
    }
}

/// The verdict where no connection can be prepared: a variable names no usable proxy, or a certificate can't be read.
pub(crate) fn of_unprepared(why: &Failure, commands: &Commands) -> Verdict {
    match why.kind() {
        Kind::Variable => Verdict::failed(VerdictCode::Proxy).because_of(why).end(),
        _ => of_broken(why, commands),
    }
}

/// The verdict where the server was not reached.
pub(crate) fn of_probe(facts: &Facts<'_>, error: &ProbeError) -> Verdict {
    let is_of_proxy = matches!(error.step, Step::Dns | Step::Tcp | Step::Proxy);
    if let Some(proxy) = error.proxy.as_ref().filter(|_| is_of_proxy) {
        let cause = format!("{} {}", proxy.shown(), failed_proxy(error));
        return Verdict::failed(VerdictCode::Proxy)
            .because(cause)
            .hint(match proxy.variable() {
                Proxy::IN_KUBECONFIG => {
                    "`kubectl config set-cluster CLUSTER --proxy-url=ADDRESS` changes it".to_owned()
                }
                variable => format!(
                    "check `{variable}`, or name the cluster's host in `NO_PROXY` if it needs no proxy"
                ),
            });
    }
    if let Cause::Certificate(refusal) = &error.cause {
        return of_certificate(facts, refusal, error);
    }
    if facts.was_stopped {
        return Verdict::failed(VerdictCode::Stopped)
            .because(format!(
                "it does not answer ({}), and was stopped when it was last seen",
                error.cause
            ))
            .hint(Skip::Stopped.hint().unwrap_or_default());
    }
    of_network(facts, error)
}

fn failed_proxy(error: &ProbeError) -> String {
    match (&error.step, &error.cause) {
        (Step::Dns, Cause::NameNotFound) => "has a name that is not known".to_owned(),
        (Step::Proxy, Cause::Certificate(_)) => {
            format!("has a certificate that is not trusted: {}", error.cause)
        }
        (Step::Proxy, Cause::ProxyRefused(answer)) => format!("answered {answer}"),
        (_, cause) => format!("did not connect: {cause}"),
    }
}

fn of_certificate(facts: &Facts<'_>, refusal: &Refusal, error: &ProbeError) -> Verdict {
    let refresh = &facts.commands.refresh;
    let through = |draft: Draft| match &error.proxy {
        Some(proxy) => draft.because(format!("it came through the proxy {}", proxy.shown())),
        None => draft,
    };
    match refusal {
        Refusal::OtherKey => Verdict::failed(VerdictCode::CaChanged)
            .because(&error.cause)
            .hint(format!("`{refresh}` fetches the new one; no token was sent")),
        Refusal::OtherIssuer { issuer } if facts.has_authority => {
            through(Verdict::failed(VerdictCode::TlsIntercepted).because(format!(
                "the certificate is of `{issuer}`, and not of the cluster's authority; no token was sent"
            )))
            .hint(format!(
                "if that is a proxy or a firewall, ask that it leaves the cluster's address alone; if the cluster has a new \
                 authority: `{refresh}`"
            ))
        }
        Refusal::OtherIssuer { .. } => through(
            Verdict::failed(VerdictCode::InvalidCertificate)
                .because("the kubeconfig has no authority for the cluster, and the system trusts none that issued its certificate"),
        )
        .hint(format!("`{refresh}` writes the cluster's authority")),
        Refusal::Invalid(why) => through(Verdict::failed(VerdictCode::InvalidCertificate).because(why))
            .hint("check the clock of this machine, and whether the address is still the cluster's"),
    }
}

fn of_network(facts: &Facts<'_>, error: &ProbeError) -> Verdict {
    let has_private_name = facts.host.split('.').any(|label| label == "privatelink");
    let is_private = has_private_name || facts.is_private || error.address.is_some_and(is_private);
    let seconds = facts.timeout.as_secs_f64();
    match (&error.cause, error.step) {
        (Cause::NameNotFound, _) if is_private => {
            no_route("its name is known only inside its network")
        }
        (Cause::NameNotFound, _) => Verdict::failed(VerdictCode::NameNotFound)
            .because(&error.cause)
            .hint(format!(
                "if it is deleted, `{}` removes its entries; if it has another address, `{}` writes it",
                facts.commands.prune, facts.commands.refresh
            )),
        (Cause::NoNameServer(why), _) => no_name_server(why),
        (Cause::TimedOut, Step::Dns) => no_name_server(&format!("no answer within {seconds} s")),
        (Cause::NoRoute(why), _) if is_private => no_route(why),
        (Cause::TimedOut, Step::Tcp) if is_private => {
            no_route(&format!("no connection within {seconds} s"))
        }
        (Cause::TimedOut, step) => Verdict::failed(VerdictCode::Timeout)
            .because(format!("no {} within {seconds} s", awaited(step)))
            .hint(
                "a firewall or the cluster's authorized IP ranges may not let this machine through; `--timeout` waits longer",
            ),
        (Cause::Refused, _) => Verdict::failed(VerdictCode::Refused)
            .because("nothing listens at its address")
            .hint(look(facts)),
        (Cause::Closed, step) => Verdict::failed(VerdictCode::Closed)
            .because(format!("before the {}", awaited(step)))
            .hint(look(facts)),
        (cause, step) => Verdict::failed(VerdictCode::Network)
            .because(format!("no {}: {cause}", awaited(step)))
            .hint("check the network, and `HTTPS_PROXY` if you need a proxy"),
    }
}

fn look(facts: &Facts<'_>) -> String {
    format!(
        "`kubectl aad list` tells whether it is stopped; if it has another address, `{}` writes it",
        facts.commands.refresh
    )
}

fn no_route(why: &str) -> Verdict {
    Verdict::failed(VerdictCode::NoRoute)
        .because(why)
        .hint("run this in the cluster's network: through a VPN, or on a machine there")
}

fn no_name_server(why: &str) -> Verdict {
    Verdict::failed(VerdictCode::NoNameServer)
        .because(why)
        .hint("check the network: other names can't be found either")
}

/// What a step brings.
fn awaited(step: Step) -> &'static str {
    match step {
        Step::Dns => "address",
        Step::Tcp | Step::Proxy => "connection",
        Step::Tls => "TLS handshake",
        Step::Http => "answer",
    }
}

/// Whether an address is one of a private network (RFC 1918, RFC 6598, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// The verdict of an answer.
pub(crate) fn of_review(facts: &Facts<'_>, review: Review) -> Verdict {
    match review {
        Review::As { user, groups } => Verdict::Ok {
            user: Some(user),
            groups,
        },
        Review::Accepted => Verdict::Ok {
            user: None,
            groups: Vec::new(),
        },
        Review::Status(401, _) => of_unauthorized(facts),
        Review::Status(403, message) => Verdict::failed(VerdictCode::Forbidden)
            .because(message)
            .hint(
                "ask for a role on the cluster; `kubectl auth can-i --list` shows what it allows",
            ),
        Review::Status(status, message) if status == 429 || status >= 500 => {
            Verdict::failed(VerdictCode::ServerFailed)
                .because(format!("status {status}: {message}"))
                .hint("try again in a minute")
        }
        Review::Status(status, message) => Verdict::failed(VerdictCode::UnexpectedAnswer)
            .because(format!("status {status}: {message}"))
            .hint(look(facts)),
        Review::Strange(why) => Verdict::failed(VerdictCode::UnexpectedAnswer)
            .because_of(&why)
            .hint("a proxy, or another server, answered in the cluster's place"),
    }
}

fn of_unauthorized(facts: &Facts<'_>) -> Verdict {
    let Commands {
        refresh, forget, ..
    } = facts.commands;
    // API servers say no more than `Unauthorized`.
    let draft =
        Verdict::failed(VerdictCode::Unauthorized).because("it does not take the credential");
    match facts.signs_in {
        SignsIn::Ours => draft.hint(format!(
            "`{refresh}` asks how the cluster signs people in now; `{forget} --context CONTEXT` forgets a token that was revoked"
        )),
        SignsIn::Plugin => draft.hint(
            "the context's own plugin gave the token: `kubectl aad convert-kubeconfig` replaces kubelogin's entries",
        ),
        SignsIn::Stored => draft.hint(format!(
            "the certificate or token in the kubeconfig is no longer valid: `{refresh}` fetches another one"
        )),
    }
}

#[cfg(test)]
mod tests;
