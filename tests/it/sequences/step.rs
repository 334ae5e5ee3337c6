//! What can happen in the simulated world, one step each, and how steps are drawn.
//!
//! The debug form of a step is Rust that makes it: a sequence that failed is pasted into
//! `regressions`.

use proptest::prelude::*;

pub(super) use Client::*;
pub(super) use Context::*;
pub(super) use Mode::*;
pub(super) use Person::*;
pub(super) use Place::*;
pub(super) use Step::*;
pub(super) use Tenant::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Person {
    /// At home in tenant `One`, a guest in `Two`.
    Ann,
    /// At home in tenant `Two`, a guest in `One`.
    Bob,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tenant {
    One,
    Two,
}

/// The contexts. All but `Cluster` are in the kubeconfig from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Context {
    /// `devicecode`, no account named.
    Open(Tenant),
    /// `devicecode` with `--login-hint`.
    Of(Person, Tenant),
    /// `azurecli`.
    Az(Tenant),
    /// `azurecli` with its own `AZURE_CONFIG_DIR`.
    AzApart(Tenant),
    /// `spn`, the secret in a variable.
    App(Tenant),
    /// What `sync` writes for the cluster of the tenant.
    Cluster(Tenant),
}

/// Where `az` keeps who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Usual,
    Apart,
}

/// The applications that sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Client {
    Aks,
    AzureCli,
    /// A tenant's service principal.
    Principal(Tenant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mode {
    DeviceCode,
    Interactive,
    AsAz,
    /// `spn`, with the flags of this tenant's service principal.
    AsApp(Tenant),
}

/// How `sync` signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "a sequence that failed is pasted without paths"
)]
pub(super) enum SyncAs {
    /// As `az`, which keeps who is signed in there.
    SyncAz(Place),
    /// With `devicecode`, and perhaps `--account`.
    SyncPerson(Option<Person>),
    /// As a tenant's service principal.
    SyncApp(Tenant),
}
pub(super) use SyncAs::*;

/// What a person edits in the kubeconfig by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// A comment beside the user's command.
    Note,
    /// The context's namespace.
    Namespace,
    /// A variable of the user's exec entry.
    Variable,
    /// The user's tenant becomes the other one.
    OtherTenant,
    /// The user's server application becomes another one.
    OtherServer,
    /// The user's account.
    Account(Person),
}
pub(super) use Edit::*;

/// What Entra says to refresh tokens in a tenant though they are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// AADSTS50076: multi-factor authentication is required.
    Mfa,
    /// AADSTS70043: the sign-in is too long ago for this tenant.
    Frequency,
    /// AADSTS53003: blocked.
    Blocked,
}
pub(super) use Refusal::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forget {
    Everything,
    OfAccount(Person),
    OfContext(Context),
}
pub(super) use Forget::*;

/// How time passes, both for Entra and for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// A token of now is about to end, and is renewed in the background.
    NearEnd,
    /// A token of now has ended.
    Hours,
    Month,
}
pub(super) use Span::*;

/// What this machine's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Right,
    HourBehind,
    HundredDaysAhead,
}
pub(super) use Clock::*;

/// A command that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Killed {
    Getting(Context, Option<Person>),
    Syncing(SyncAs),
    Converting(Mode),
}
pub(super) use Killed::*;

/// When it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In place of its nth call that changes a file.
    Write(u8),
    /// While Entra's token is on its way.
    TokenAnswer,
    /// While ARM's answer about a cluster is on its way.
    ClusterAnswer,
}
pub(super) use At::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// kubectl wants a token; the person, if any, is there to sign in.
    Token(Context, Option<Person>),
    /// The same in a shell that has an application's variables.
    TokenAmongVariables(Context),
    /// Two at once.
    Race(Context, Context, Option<Person>),
    /// The first one's refresh token is on its way while the person signs in for the second.
    Overtake(Context, Context, Person),
    Sync(SyncAs, Option<Person>),
    /// Of one context, or of all.
    Convert(Mode, Option<Context>),
    ByHand(Context, Edit),
    Revoke(Person),
    Refuse(Tenant, Refusal),
    Accept,
    AzLogin(Place, Person),
    AzLogout(Place),
    Clear(Forget),
    Wait(Span),
    SetClock(Clock),
    Kill(Killed, At),
}

fn person() -> impl Strategy<Value = Person> {
    prop_oneof![Just(Ann), Just(Bob)]
}

fn anybody() -> impl Strategy<Value = Option<Person>> {
    prop_oneof![2 => Just(None), 3 => person().prop_map(Some)]
}

/// One more often than the other, so that steps meet.
fn tenant() -> impl Strategy<Value = Tenant> {
    prop_oneof![3 => Just(One), 1 => Just(Two)]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![2 => Just(Usual), 1 => Just(Apart)]
}

fn context() -> impl Strategy<Value = Context> {
    prop_oneof![
        4 => tenant().prop_map(Open),
        4 => (person(), tenant()).prop_map(|(person, tenant)| Of(person, tenant)),
        2 => tenant().prop_map(Az),
        1 => tenant().prop_map(AzApart),
        1 => tenant().prop_map(App),
        4 => tenant().prop_map(Cluster),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        3 => Just(DeviceCode),
        2 => Just(Interactive),
        3 => Just(AsAz),
        1 => tenant().prop_map(AsApp),
    ]
}

fn sync_as() -> impl Strategy<Value = SyncAs> {
    prop_oneof![
        3 => place().prop_map(SyncAz),
        2 => Just(SyncPerson(None)),
        2 => person().prop_map(|person| SyncPerson(Some(person))),
        1 => tenant().prop_map(SyncApp),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        Just(Note),
        Just(Namespace),
        Just(Variable),
        Just(OtherTenant),
        Just(OtherServer),
        person().prop_map(Account),
    ]
}

fn killed() -> impl Strategy<Value = (Killed, At)> {
    prop_oneof![
        3 => (context(), anybody(), prop_oneof![3 => (1..16_u8).prop_map(Write), 2 => Just(TokenAnswer)])
            .prop_map(|(context, who, at)| (Getting(context, who), at)),
        1 => (sync_as(), prop_oneof![(1..24_u8).prop_map(Write), Just(TokenAnswer), Just(ClusterAnswer)])
            .prop_map(|(how, at)| (Syncing(how), at)),
        1 => (mode(), (1..12_u8).prop_map(Write)).prop_map(|(mode, at)| (Converting(mode), at)),
    ]
}

/// One step.
pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (context(), anybody()).prop_map(|(context, who)| Token(context, who)),
        2 => tenant().prop_map(|tenant| TokenAmongVariables(Cluster(tenant))),
        3 => (context(), context(), anybody()).prop_map(|(a, b, who)| Race(a, b, who)),
        2 => (context(), context(), person()).prop_map(|(a, b, who)| Overtake(a, b, who)),
        4 => (sync_as(), anybody()).prop_map(|(how, who)| Sync(how, who)),
        4 => (mode(), proptest::option::weighted(0.8, context())).prop_map(|(mode, one)| Convert(mode, one)),
        5 => (context(), edit()).prop_map(|(context, edit)| ByHand(context, edit)),
        4 => person().prop_map(Revoke),
        3 => (tenant(), prop_oneof![Just(Mfa), Just(Frequency), Just(Blocked)])
            .prop_map(|(tenant, refusal)| Refuse(tenant, refusal)),
        2 => Just(Accept),
        4 => (place(), person()).prop_map(|(place, person)| AzLogin(place, person)),
        2 => place().prop_map(AzLogout),
        3 => prop_oneof![
            1 => Just(Everything),
            1 => person().prop_map(OfAccount),
            2 => context().prop_map(OfContext),
        ].prop_map(Clear),
        9 => prop_oneof![3 => Just(NearEnd), 6 => Just(Hours), 1 => Just(Month)].prop_map(Wait),
        2 => prop_oneof![2 => Just(Right), 1 => Just(HourBehind), 1 => Just(HundredDaysAhead)].prop_map(SetClock),
        4 => killed().prop_map(|(killed, at)| Kill(killed, at)),
    ]
}

/// A sequence of up to `most` steps.
pub(super) fn sequence(most: usize) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..=most)
}
