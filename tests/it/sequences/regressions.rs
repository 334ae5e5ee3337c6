//! Sequences that failed once, each as short as it got, with the rule that was broken.

use super::step::*;

pub(super) const ALL: &[(&str, &[Step])] = &[
    (
        "a session that was only ever used by name serves no unnamed context",
        &[Token(Of(Bob, One), Some(Bob)), Token(Open(One), None)],
    ),
    (
        "somebody else's sign-in for a token that is fetched ahead is refused, and the sync goes on",
        &[
            Sync(SyncPerson(None), Some(Bob)),
            Refuse(Two, Mfa),
            Sync(SyncPerson(Some(Bob)), Some(Ann)),
            Token(Cluster(Two), None),
        ],
    ),
    (
        "an unnamed context does not go over to a named session once its own is revoked",
        &[
            Token(Open(One), Some(Ann)),
            Token(Of(Bob, One), Some(Bob)),
            Revoke(Ann),
            Wait(Hours),
            Token(Open(One), None),
            Token(Open(One), None),
        ],
    ),
    (
        "what a tenant's sign-in frequency refuses ends no session, in the background neither",
        &[
            Token(Of(Ann, One), Some(Ann)),
            Refuse(One, Frequency),
            Wait(NearEnd),
            Token(Of(Ann, One), None),
            Token(Of(Ann, Two), None),
        ],
    ),
    (
        "a refusal that comes late does not end the session that came meanwhile",
        &[
            Token(Open(One), Some(Ann)),
            Revoke(Ann),
            Wait(Hours),
            Overtake(Open(One), Of(Ann, Two), Ann),
            Wait(Hours),
            Token(Of(Ann, Two), None),
        ],
    ),
    (
        "a context that `sync` wrote for an application ignores another one's variables",
        &[Sync(SyncApp(One), None), TokenAmongVariables(Cluster(One))],
    ),
    (
        "a context that `sync` wrote for az ignores an application's variables",
        &[Sync(SyncAz(Usual), None), TokenAmongVariables(Cluster(One))],
    ),
    (
        "a context uses the account of az that `sync` used",
        &[Sync(SyncAz(Apart), None), Token(Cluster(One), None)],
    ),
    (
        "a context follows `sync` back to the usual account of az",
        &[
            Sync(SyncAz(Apart), None),
            Sync(SyncAz(Usual), None),
            Token(Cluster(One), None),
        ],
    ),
    (
        "an entry that is converted to the mode it has keeps its account",
        &[Convert(DeviceCode, None), Convert(AsAz, Some(Az(One)))],
    ),
    (
        "an account that is named stays named in the other mode that asks a person",
        &[Convert(Interactive, Some(Of(Ann, One)))],
    ),
    (
        "an account that is named stays named by way of `azurecli`",
        &[
            Convert(AsAz, Some(Of(Ann, One))),
            Convert(Interactive, Some(Of(Ann, One))),
        ],
    ),
    (
        "an account that is named stays named in `devicecode`, also where nothing is remembered",
        &[
            Convert(Interactive, Some(Of(Ann, One))),
            ByHand(Of(Ann, One), OtherTenant),
            Convert(DeviceCode, Some(Of(Ann, One))),
        ],
    ),
    (
        "a server that was edited while the entry was in another mode stays edited",
        &[
            Convert(AsAz, Some(Open(One))),
            ByHand(Open(One), OtherServer),
            Convert(DeviceCode, Some(Open(One))),
        ],
    ),
    (
        "what an entry remembers is gone once `sync` has written it again",
        &[
            Sync(SyncPerson(Some(Ann)), Some(Ann)),
            Convert(AsAz, Some(Cluster(One))),
            Sync(SyncPerson(Some(Bob)), Some(Bob)),
            Convert(AsAz, Some(Cluster(One))),
            Convert(DeviceCode, Some(Cluster(One))),
        ],
    ),
    (
        "there and back again loses nothing",
        &[
            Convert(AsApp(Two), None),
            Convert(AsAz, None),
            Convert(DeviceCode, None),
            Convert(AsAz, None),
        ],
    ),
];
