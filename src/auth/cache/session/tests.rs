//! Which session serves which context, and what concurrent changes do to sessions.

use super::*;

fn key() -> SessionKey {
    SessionKey {
        authority: "a".into(),
        client: "c".into(),
        legacy: false,
    }
}

fn session(user: &str, home: &str, tenants: &[(&str, i64)]) -> Session {
    Session {
        account: Account {
            home_id: format!("{user}.{home}"),
            username: Some(format!("{user}@example.com")),
        },
        token: Secret::new(format!("refresh-of-{user}")),
        unnamed: true,
        tenants: tenants
            .iter()
            .map(|(tenant, at)| ((*tenant).to_owned(), *at))
            .collect(),
    }
}

fn cache(sessions: &[Session]) -> TokenCache {
    let cache = crate::auth::cache::tests::cache();
    for session in sessions {
        cache.write_session(&key(), session, None).expect("kept");
    }
    cache
}

fn chosen(cache: &TokenCache, tenant: &str, hint: Option<&str>) -> Option<String> {
    cache
        .session_for(&key(), tenant, hint)
        .map(|session| session.token.expose().to_owned())
}

#[test]
fn one_sign_in_serves_every_tenant() {
    let cache = cache(&[session("ann", "home", &[("home", 1)])]);
    assert_eq!(
        chosen(&cache, "guest", None).as_deref(),
        Some("refresh-of-ann")
    );
}

#[test]
fn between_accounts_use_comes_before_home_and_a_guess_is_not_made() {
    let ann = session("ann", "one", &[("one", 1), ("shared", 5)]);
    let bob = session("bob", "two", &[("shared", 9)]);
    let cache = cache(&[ann, bob]);
    assert_eq!(
        chosen(&cache, "shared", None).as_deref(),
        Some("refresh-of-bob")
    );
    assert_eq!(
        chosen(&cache, "ONE", None).as_deref(),
        Some("refresh-of-ann")
    );
    assert_eq!(
        chosen(&cache, "two", None).as_deref(),
        Some("refresh-of-bob")
    );
    assert_eq!(chosen(&cache, "third", None), None);
}

#[test]
fn of_two_accounts_at_home_in_a_tenant_neither_is_a_guess() {
    let cache = cache(&[session("ann", "one", &[]), session("bob", "one", &[])]);
    assert_eq!(chosen(&cache, "one", None), None);
    assert!(chosen(&cache, "one", Some("bob@example.com")).is_some());
}

#[test]
fn a_hint_chooses_the_account_and_nobody_elses_is_used() {
    let cache = cache(&[session("ann", "one", &[("one", 1)])]);
    assert_eq!(
        chosen(&cache, "one", Some("ANN@example.com")).as_deref(),
        Some("refresh-of-ann")
    );
    assert_eq!(chosen(&cache, "one", Some("bob@example.com")), None);
}

fn named(session: Session) -> Session {
    Session {
        unnamed: false,
        ..session
    }
}

#[test]
fn a_session_that_was_only_named_serves_nobody_who_does_not_name_it() {
    let cache = cache(&[named(session("bob", "one", &[]))]);
    assert_eq!(chosen(&cache, "one", None), None, "at home");
    assert_eq!(chosen(&cache, "two", None), None, "the only one");
    assert!(chosen(&cache, "two", Some("bob@example.com")).is_some());
}

#[test]
fn a_session_of_before_the_mark_serves_the_tenants_that_it_served_unnamed() {
    let cache = cache(&[session("ann", "one", &[("two", 1)])]);
    let name = key().name(&session("ann", "one", &[]).account);
    let bytes = cache.store().read(&name).expect("there");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let old = text.replace("\"unnamed\":true,", "");
    assert_ne!(old, text);
    cache.store().write(&name, old.as_bytes()).expect("written");
    assert!(chosen(&cache, "two", None).is_some());
    assert_eq!(chosen(&cache, "one", None), None, "at home");
    assert_eq!(chosen(&cache, "three", None), None, "the only one");
}

fn nothing() -> Issued<'static> {
    let (token, on) = (None, None);
    Issued { token, on }
}

fn issued(token: &Secret) -> Issued<'_> {
    let token = Some(token);
    Issued { token, ..nothing() }
}

fn sign_in(cache: &TokenCache, user: &str, home: &str, tenant: Option<&str>, now: i64) {
    let session = session(user, home, &[]);
    let unnamed = tenant.map(|tenant| Unnamed { tenant, now });
    cache
        .save_sign_in(&key(), &session.account, issued(&session.token), unnamed)
        .expect("kept");
}

#[test]
fn tenants_of_an_account_that_is_gone_ask_until_somebody_signs_in() {
    let cache = cache(&[]);
    sign_in(&cache, "ann", "one", Some("one"), 1);
    sign_in(&cache, "ann", "one", Some("two"), 2);
    sign_in(&cache, "bob", "three", Some("three"), 3);
    let ann = session("ann", "one", &[]).account;
    cache.remove_session(&key(), &ann);
    for tenant in ["one", "two"] {
        assert_eq!(chosen(&cache, tenant, None), None, "{tenant}");
    }
    assert!(chosen(&cache, "four", None).is_some(), "never ann's");
    sign_in(&cache, "ann", "one", None, 4);
    assert_eq!(chosen(&cache, "one", None), None, "by name");
    sign_in(&cache, "bob", "three", Some("one"), 5);
    let bob = Some("refresh-of-bob".to_owned());
    assert_eq!(chosen(&cache, "one", None), bob);
    assert_eq!(chosen(&cache, "two", None), None);
    sign_in(&cache, "ann", "one", Some("five"), 6);
    let ann = Some("refresh-of-ann".to_owned());
    assert_eq!(chosen(&cache, "two", None), ann, "her own again");
    assert_eq!(chosen(&cache, "one", None), bob, "bob's by now");
}

#[test]
fn the_last_sign_in_counts_whatever_the_clock_says() {
    let cache = cache(&[]);
    sign_in(&cache, "ann", "one", Some("shared"), 9_000);
    sign_in(&cache, "bob", "two", Some("shared"), 10);
    assert_eq!(
        chosen(&cache, "shared", None).as_deref(),
        Some("refresh-of-bob")
    );
    // A refresh of ann's that ends now does not take the tenant back.
    let ann = cache.session_of(&key(), &session("ann", "one", &[]).account);
    let unnamed = Some(Unnamed {
        tenant: "shared",
        now: 9_999,
    });
    cache
        .save_refreshed(&key(), &ann.expect("there"), nothing(), unnamed)
        .expect("kept");
    assert_eq!(
        chosen(&cache, "shared", None).as_deref(),
        Some("refresh-of-bob")
    );
}

#[test]
fn a_session_that_another_process_removed_or_replaced_stays_so() {
    let cache = cache(&[]);
    sign_in(&cache, "ann", "one", Some("one"), 1);
    let account = session("ann", "one", &[]).account;
    let used = cache.session_of(&key(), &account).expect("there");
    let newer = Secret::new("newer");
    cache
        .save_sign_in(&key(), &account, issued(&newer), None)
        .expect("kept");
    let late = Secret::new("late");
    let keep_late = || cache.save_refreshed(&key(), &used, issued(&late), None);
    cache.remove_ended_session(&key(), &used);
    keep_late().expect("nothing to do");
    let kept = cache.session_of(&key(), &account).expect("kept");
    assert_eq!(kept.token.expose(), "newer");
    cache.remove_ended_session(&key(), &kept);
    keep_late().expect("nothing to do");
    assert!(cache.session_of(&key(), &account).is_none());
}

#[test]
fn a_session_is_found_only_under_its_own_client() {
    let cache = cache(&[session("ann", "one", &[])]);
    let other = SessionKey {
        client: "d".into(),
        ..key()
    };
    assert!(cache.session_for(&other, "one", None).is_none());
    let ann = session("ann", "one", &[]).account;
    cache.remove_session(&key(), &ann);
    assert!(cache.session_for(&key(), "one", None).is_none());
}
