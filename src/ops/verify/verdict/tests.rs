//! Tests of what is said of a cluster.

use super::*;

fn facts<'a>(host: &'a str, commands: &'a Commands) -> Facts<'a> {
    Facts {
        host,
        was_stopped: false,
        is_private: false,
        has_authority: true,
        signs_in: SignsIn::Ours,
        timeout: Duration::from_secs(10),
        commands,
    }
}

fn error(step: Step, cause: Cause, address: Option<&str>) -> ProbeError {
    ProbeError {
        step,
        cause,
        address: address.map(|text| text.parse().expect("an address")),
        proxy: None,
    }
}

#[test]
fn what_does_not_answer_is_told_apart_by_step_address_and_what_was_last_seen() {
    use VerdictCode as V;
    let commands = Commands::default();
    let (public, private) = ("a.hcp.we.azmk8s.io", "a.x.privatelink.we.azmk8s.io");
    let no_route = || Cause::NoRoute("no route to host".to_owned());
    for (host, step, cause, address, code) in [
        (
            public,
            Step::Dns,
            Cause::NameNotFound,
            None,
            V::NameNotFound,
        ),
        (private, Step::Dns, Cause::NameNotFound, None, V::NoRoute),
        (public, Step::Dns, Cause::TimedOut, None, V::NoNameServer),
        (
            public,
            Step::Dns,
            Cause::NoNameServer("again".into()),
            None,
            V::NoNameServer,
        ),
        (
            public,
            Step::Tcp,
            Cause::TimedOut,
            Some("10.1.2.3"),
            V::NoRoute,
        ),
        (
            public,
            Step::Tcp,
            Cause::TimedOut,
            Some("100.64.0.1"),
            V::NoRoute,
        ),
        (
            public,
            Step::Tcp,
            Cause::TimedOut,
            Some("fd00::1"),
            V::NoRoute,
        ),
        (
            public,
            Step::Tcp,
            Cause::TimedOut,
            Some("20.1.2.3"),
            V::Timeout,
        ),
        (public, Step::Tcp, no_route(), Some("20.1.2.3"), V::Network),
        (
            public,
            Step::Tcp,
            no_route(),
            Some("172.16.0.9"),
            V::NoRoute,
        ),
        (
            public,
            Step::Tcp,
            Cause::Refused,
            Some("10.1.2.3"),
            V::Refused,
        ),
        (
            public,
            Step::Tls,
            Cause::TimedOut,
            Some("10.1.2.3"),
            V::Timeout,
        ),
        (public, Step::Tls, Cause::Closed, None, V::Closed),
        (public, Step::Http, Cause::TimedOut, None, V::Timeout),
        (
            public,
            Step::Http,
            Cause::Other("odd".into()),
            None,
            V::Network,
        ),
    ] {
        let failed = error(step, cause.clone(), address);
        let facts = facts(host, &commands);
        assert_eq!(
            of_probe(&facts, &failed).code(),
            code,
            "{host} {step:?} {cause:?}"
        );
        let stopped = Facts {
            was_stopped: true,
            ..facts
        };
        assert_eq!(of_probe(&stopped, &failed).code(), V::Stopped);
        let listed = Facts {
            is_private: true,
            ..facts
        };
        let is_unreached = matches!(
            (step, &cause),
            (Step::Tcp, Cause::TimedOut | Cause::NoRoute(_)) | (_, Cause::NameNotFound)
        );
        assert_eq!(
            of_probe(&listed, &failed).code() == V::NoRoute,
            is_unreached
        );
    }
}

#[test]
fn a_certificate_is_of_a_new_authority_of_something_in_between_or_not_valid() {
    use VerdictCode as V;
    let commands = Commands::default();
    let other = || Refusal::OtherIssuer {
        issuer: "O=Inspector".to_owned(),
    };
    for (refusal, has_authority, code) in [
        (Refusal::OtherKey, true, V::CaChanged),
        (other(), true, V::TlsIntercepted),
        (other(), false, V::InvalidCertificate),
        (
            Refusal::Invalid("expired".into()),
            true,
            V::InvalidCertificate,
        ),
    ] {
        let failed = error(Step::Tls, Cause::Certificate(refusal), None);
        // A stopped cluster has no certificate.
        let facts = Facts {
            was_stopped: true,
            has_authority,
            ..facts("a", &commands)
        };
        assert_eq!(of_probe(&facts, &failed).code(), code);
    }
}

#[test]
fn what_fails_before_the_proxy_has_connected_is_the_proxys_fault() {
    let commands = Commands::default();
    let proxy = Proxy::of_kubeconfig("http://u:hunter2@proxy.example:3128").expect("a proxy");
    for (step, cause, code) in [
        (Step::Dns, Cause::NameNotFound, VerdictCode::Proxy),
        (Step::Tcp, Cause::Refused, VerdictCode::Proxy),
        (
            Step::Proxy,
            Cause::ProxyRefused("407".into()),
            VerdictCode::Proxy,
        ),
        (Step::Tls, Cause::Closed, VerdictCode::Closed),
    ] {
        let mut failed = error(step, cause, None);
        failed.proxy = Some(Box::new(proxy.clone()));
        let verdict = of_probe(&facts("a", &commands), &failed);
        assert_eq!(verdict.code(), code);
        let Verdict::Failed { why, .. } = verdict else {
            panic!("it failed");
        };
        assert!(!why.render().contains("hunter2"), "{}", why.render());
    }
}

#[test]
fn names_are_words_in_camel_case_each_once_in_order() {
    let names: Vec<_> = VERDICTS.iter().map(|(code, _)| code.name()).collect();
    assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
}
