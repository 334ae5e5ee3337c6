//! What is optional never ends a `get-token`: whatever keeps the cache from being used, the token
//! is given, with one line for a person, and only `--token-store keyring` insists.
//!
//! Each case acts as its own user in its own mount namespace, so this needs root.

use azure_sim::AKS_SERVER_APP;

use crate::{
    env::{Ran, TestEnv, run},
    support::{may_mount, peer},
};

/// A home directory, and what is wrong with it.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Run by root, in a namespace of its own; `$HOME` is the home directory of uid 65534, and `$C` the
    /// cache in it.
    setup: &'static str,
    /// The rest of the command line: variables for `env`, and flags.
    variables: &'static [&'static str],
    flags: &'static [&'static str],
    /// What the line says, and what it says to do.
    said: &'static str,
    hint: &'static str,
}

const PLAIN: Case = Case {
    name: "",
    setup: ":",
    variables: &[],
    flags: &[],
    said: "",
    hint: "",
};

const CASES: &[Case] = &[
    Case {
        name: "left by sudo",
        setup: "mkdir -p $C; chmod 700 $C; chown 0:0 $C",
        said: "it belongs to another user (uid 0)",
        hint: "run `sudo rm -r H/.kube/cache/kubectl-aad`",
        ..PLAIN
    },
    Case {
        name: "open to others",
        setup: "mkdir -p $C; chmod 755 $C; chown 65534 $C",
        said: "other users can reach it (its mode is 755)",
        hint: "run `chmod 700 H/.kube/cache/kubectl-aad`",
        ..PLAIN
    },
    Case {
        name: "a link",
        setup: "ln -sfn /tmp $C",
        said: "it is a symbolic link",
        hint: "run `rm H/.kube/cache/kubectl-aad`",
        ..PLAIN
    },
    Case {
        name: "a file",
        setup: ": > $C",
        said: "it is not a directory",
        hint: "run `rm H/.kube/cache/kubectl-aad`",
        ..PLAIN
    },
    Case {
        name: "a file above",
        setup: "rmdir $HOME/.kube/cache 2>/dev/null; : > $HOME/.kube/cache",
        said: "`H/.kube/cache` is not a directory",
        hint: "run `rm H/.kube/cache`",
        ..PLAIN
    },
    Case {
        name: "an unsearchable directory above, left by sudo",
        setup: "chown 0:0 $HOME/.kube/cache; chmod 700 $HOME/.kube/cache",
        said: "the directory `H/.kube/cache` may not be searched (of uid 0, mode 700)",
        hint: "run `sudo chown -R \"$(id -u)\" H/.kube/cache`",
        ..PLAIN
    },
    Case {
        name: "an unwritable directory above, left by sudo",
        setup: "chown 0:0 $HOME/.kube/cache; chmod 755 $HOME/.kube/cache",
        said: "Permission denied",
        hint: "run `sudo chown -R \"$(id -u)\" H/.kube/cache`",
        ..PLAIN
    },
    Case {
        name: "a home of another uid",
        setup: "chown -R 0:0 $HOME; chmod 700 $HOME",
        said: "the directory `H` may not be searched (of uid 0, mode 700)",
        hint: "set `HOME` to a directory of yours",
        ..PLAIN
    },
    Case {
        name: "no such home",
        variables: &["HOME=/usr/nonexistent"],
        said: "Permission denied",
        hint: "set `HOME` to a directory of yours",
        ..PLAIN
    },
    Case {
        name: "no home",
        variables: &["-u", "HOME"],
        said: "the home directory is unknown",
        hint: "set `HOME`",
        ..PLAIN
    },
    Case {
        name: "a relative home",
        variables: &["HOME=home"],
        said: "`HOME` is the relative path",
        hint: "make `HOME` an absolute path",
        ..PLAIN
    },
    Case {
        name: "a relative directory in an entry",
        flags: &["--cache-dir", "$HOME/cache"],
        said: "`--cache-dir` is the relative path `$HOME/cache`",
        hint: "make `--cache-dir` an absolute path",
        ..PLAIN
    },
    Case {
        name: "unwritable",
        setup: "mkdir -p $C; chmod 500 $C; chown 65534 $C",
        said: "Permission denied",
        hint: "run `chmod u+rwx H/.kube/cache/kubectl-aad`",
        ..PLAIN
    },
    Case {
        name: "read-only",
        setup: "mkdir -p $C; chmod 700 $C; chown 65534 $C; mount --bind $C $C; mount -o remount,ro,bind $C",
        said: "Read-only file system",
        hint: "name another directory with `--cache-dir`",
        ..PLAIN
    },
    Case {
        name: "a read-only home",
        setup: "mount --bind $HOME $HOME; mount -o remount,ro,bind $HOME",
        said: "Read-only file system",
        hint: "name another directory with `--cache-dir`",
        ..PLAIN
    },
    Case {
        name: "full",
        setup: "mkdir -p $C; mount -t tmpfs -o size=16k,mode=700,uid=65534 none $C; \
                dd if=/dev/zero of=$C/fill bs=1k count=64 2>/dev/null",
        said: "No space left on device",
        hint: "free some space there",
        ..PLAIN
    },
    Case {
        name: "immutable",
        setup: "mkdir -p $C; mount -t tmpfs -o mode=700,uid=65534 none $C; chattr +i $C",
        said: "Operation not permitted",
        hint: "name another directory with `--cache-dir`",
        ..PLAIN
    },
];

/// Our program in a case's home.
fn run_case(test_env: &TestEnv, case: &Case, terminal: bool, args: &[&str]) -> Ran {
    let setup = format!("C=\"$HOME/.kube/cache/kubectl-aad\"; {}", case.setup);
    let home = case.name.replace([' ', ','], "-");
    test_env.run_as_other_user(&home, &setup, terminal, case.variables, args)
}

fn get_token(test_env: &TestEnv, case: &Case, terminal: bool, more: &[&str]) -> Ran {
    let authority = test_env.simulator.authority_url();
    let mut args = vec!["get-token", "--server-id", AKS_SERVER_APP];
    args.extend(["--authority-host", &authority]);
    args.extend(test_env.spn_args(&[]));
    args.extend(case.flags);
    args.extend(more);
    run_case(test_env, case, terminal, &args)
}

#[test]
fn whatever_is_wrong_with_the_cache_the_token_is_given_with_one_line_for_a_person() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    for case in CASES {
        let name = case.name;
        let quiet = get_token(&test_env, case, false, &[]);
        assert_eq!(
            quiet.stderr, "",
            "{name}: a pipeline's log has no use for it"
        );
        test_env.claims(&quiet);

        let ran = get_token(&test_env, case, true, &[]);
        test_env.claims(&ran);
        let lines: Vec<_> = ran.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{name}: {}", ran.stderr);
        assert!(lines[0].starts_with("warning: "), "{name}: {}", lines[0]);
        assert!(lines[0].contains(case.said), "{name}: {}", lines[0]);
        assert!(lines[0].contains(case.hint), "{name}: {}", lines[0]);

        let verbose = get_token(&test_env, case, false, &["-v", "1"]);
        assert!(
            verbose.stderr.contains(lines[0]),
            "{name}: {}",
            verbose.stderr
        );

        if case.flags.is_empty() {
            let listed = run_case(&test_env, case, false, &["cache", "list"]);
            assert_eq!(listed.code, 0, "{name}: {}", listed.stderr);
            assert!(
                listed.stderr.contains(case.said),
                "{name}: {}",
                listed.stderr
            );
            assert!(
                listed.stderr.contains(case.hint),
                "{name}: {}",
                listed.stderr
            );
        }
        let none = get_token(&test_env, case, true, &["--token-store", "none"]);
        assert_eq!(none.stderr, "", "{name}: none was asked for");
    }
}

#[test]
fn proof_of_possession_needs_no_disk() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    for case in CASES {
        let ran = get_token(
            &test_env,
            case,
            true,
            &["--pop-enabled", "--pop-claims", "u=/cluster"],
        );
        assert_eq!(ran.code, 0, "{}: {}", case.name, ran.stderr);
        ran.token();
        assert_eq!(
            ran.stderr.lines().count(),
            1,
            "{}: {}",
            case.name,
            ran.stderr
        );
    }
}

#[test]
fn a_limit_of_the_size_of_files_ends_no_call() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    let case = Case {
        name: "a file size limit",
        setup: "ulimit -f 0",
        ..PLAIN
    };
    for store in ["auto", "file"] {
        let ran = get_token(
            &test_env,
            &case,
            false,
            &["--token-store", store, "-v", "1"],
        );
        ran.token();
        assert!(ran.stderr.contains("File too large"), "{}", ran.stderr);
    }
}

#[test]
fn only_a_keyring_that_was_asked_for_is_insisted_on() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    for case in CASES.iter().take(12) {
        let insisted = get_token(&test_env, case, false, &["--token-store", "keyring"]);
        assert_eq!(insisted.code, 1, "{}: {}", case.name, insisted.stderr);
        assert!(insisted.stderr.contains(case.said), "{}", insisted.stderr);
        assert!(insisted.stderr.contains(case.hint), "{}", insisted.stderr);
    }
}

#[test]
fn a_lock_that_a_run_of_root_left_in_the_cache_is_replaced() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    let case = Case {
        name: "locks of root",
        setup: "for lock in $C/*.lock; do [ -e \"$lock\" ] && chown 0:0 \"$lock\"; done; :",
        ..PLAIN
    };
    let token = Ran::token;
    let first = token(&get_token(&test_env, &case, false, &[]));
    assert_eq!(token(&get_token(&test_env, &case, false, &[])), first);
    let new = get_token(&test_env, &case, true, &["--force-refresh"]);
    assert_eq!(new.stderr, "");
    assert_ne!(token(&new), first);
    let verbose = get_token(&test_env, &case, false, &["--force-refresh", "-v", "9"]);
    assert!(!verbose.stderr.contains("no lock"), "{}", verbose.stderr);
}

#[test]
fn where_files_cannot_be_locked_tokens_are_cached_all_the_same() {
    let Some(strace) = peer("strace") else { return };
    let test_env = TestEnv::new();
    let secret = ("AZURE_CLIENT_SECRET", test_env.principal.secret());
    // What a network file system without a lock service answers.
    let get_token = |more: &[&str]| {
        let args = test_env.spn_args(more);
        let plain = test_env.get_token_command(&args, &[secret]);
        let mut command = test_env.program(&strace);
        command
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock"])
            .args(["-e", "inject=flock:error=ENOLCK"])
            .arg(plain.get_program())
            .args(plain.get_args())
            .env(secret.0, secret.1);
        let ran = run(&mut command);
        assert!(!ran.stderr.contains("warning: "), "{}", ran.stderr);
        ran.token()
    };
    let first = get_token(&[]);
    assert_eq!(get_token(&[]), first);
    let proof: &[&str] = &["--pop-enabled", "--pop-claims", "u=/cluster"];
    get_token(proof);
    test_env.simulator.reset();
    get_token(proof);
    let counters = test_env.simulator.counters();
    assert_eq!(
        counters.tokens("client_credentials"),
        0,
        "the key is the same"
    );
}

#[test]
fn a_token_that_cannot_be_removed_is_not_reported_as_deleted() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    let open = Case {
        name: "a cache",
        ..PLAIN
    };
    let closed = Case {
        setup: "chmod 500 $C",
        ..open
    };
    let read_only = Case {
        setup: "chmod 700 $C; mount --bind $C $C; mount -o remount,ro,bind $C",
        ..open
    };
    get_token(&test_env, &open, false, &[]).json(0);
    let clear: [&[&str]; 2] = [&[], &["--tenant", &test_env.tenant]];
    for (case, why) in [
        (closed, "Permission denied"),
        (read_only, "Read-only file system"),
    ] {
        for filter in clear {
            let args = [&["cache", "clear"][..], filter].concat();
            let ran = run_case(&test_env, &case, false, &args);
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            let said = "1 cache entry is still in the token cache";
            assert!(ran.stderr.contains(said), "{}", ran.stderr);
            assert!(ran.stderr.contains(why), "{}", ran.stderr);
            assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
            assert!(!ran.stderr.contains("deleted"), "{}", ran.stderr);
        }
    }
    let ran = run_case(&test_env, &open, false, &["cache", "clear"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("deleted 1 cache entry"),
        "{}",
        ran.stderr
    );
}
