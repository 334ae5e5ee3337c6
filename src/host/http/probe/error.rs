//! Why a server could not be reached.

use std::{error::Error, fmt, io, net::IpAddr};

use super::{Proxy, Refusal, Step};
use crate::host::http::{deepest, layers};

/// The step that failed, and why.
#[derive(Debug, Clone)]
pub(crate) struct ProbeError {
    pub(crate) step: Step,
    pub(crate) cause: Cause,
    /// The address that the name had: the server's, or the proxy's.
    pub(crate) address: Option<IpAddr>,
    /// The proxy that is used.
    pub(crate) proxy: Option<Box<Proxy>>,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There is no such name.
    NameNotFound,
    /// No name server answered.
    NoNameServer(String),
    /// This machine knows no way to the address.
    NoRoute(String),
    /// Nothing listens there.
    Refused,
    /// The other side ended the connection.
    Closed,
    TimedOut,
    Certificate(Refusal),
    /// The proxy answered this status, with these words.
    ProxyRefused(String),
    /// In words that contain no secret.
    Other(String),
}

impl Cause {
    /// Why a name was not found.
    pub(super) fn of_name(error: &io::Error) -> Self {
        let text = error.to_string();
        let lower = text.to_lowercase();
        // EAI_AGAIN in the words of glibc, musl and macOS, and Windows's WSATRY_AGAIN.
        let is_again = lower.contains("temporary failure")
            || lower.contains("try again")
            || error.raw_os_error() == Some(11002);
        match is_again {
            true => Self::NoNameServer(text),
            false => Self::NameNotFound,
        }
    }

    /// Why a connection or an exchange failed.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        for layer in layers(error) {
            if let Some(rustls::Error::InvalidCertificate(why)) = layer.downcast_ref() {
                return Self::Certificate(Refusal::of(why));
            }
        }
        let kinds = layers(error).filter_map(|layer| layer.downcast_ref::<io::Error>());
        for kind in kinds.map(io::Error::kind) {
            match kind {
                io::ErrorKind::ConnectionRefused => return Self::Refused,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => return Self::Closed,
                io::ErrorKind::TimedOut => return Self::TimedOut,
                io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable => return Self::NoRoute(deepest(error)),
                _ => {}
            }
        }
        let hyper = layers(error).find_map(|layer| layer.downcast_ref::<hyper::Error>());
        match hyper {
            Some(error) if error.is_incomplete_message() || error.is_closed() => Self::Closed,
            Some(error) if error.is_parse() => {
                Self::Other("the answer is not HTTP, or damaged".to_owned())
            }
            _ => Self::Other(deepest(error)),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameNotFound => f.write_str("there is no such name"),
            Self::NoNameServer(why) | Self::NoRoute(why) | Self::Other(why) => f.write_str(why),
            Self::Refused => f.write_str("the connection was refused"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Certificate(Refusal::OtherKey) => {
                f.write_str("an authority of the same name and with another key issued it")
            }
            Self::Certificate(Refusal::OtherIssuer { issuer }) => {
                write!(f, "its issuer is `{issuer}`")
            }
            Self::Certificate(Refusal::Invalid(why)) => f.write_str(why),
            Self::ProxyRefused(answer) => write!(f, "the proxy answered {answer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_was_asked_about_is_not_a_missing_one() {
        let lookup = |text: &str| {
            let text = format!("failed to lookup address information: {text}");
            Cause::of_name(&io::Error::other(text))
        };
        for again in ["Temporary failure in name resolution", "Try again"] {
            assert!(matches!(lookup(again), Cause::NoNameServer(_)), "{again}");
        }
        for missing in [
            "Name or service not known",
            "Name does not resolve",
            "nodename nor servname provided, or not known",
        ] {
            assert_eq!(lookup(missing), Cause::NameNotFound, "{missing}");
        }
    }
}
