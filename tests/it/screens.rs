//! What a `sync` leaves on a terminal: what changed, what failed by cause, and the counts.

use azure_sim::{Cluster, Endpoint, Fault, Fleet, FleetSpec};

use crate::{
    env::{AtATerminal, CLOUD, Seen, Size, TestEnv, run},
    snapshots::Page,
};

/// How large a terminal is for the pages of all sizes.
const SIZES: [Size; 2] = [Size::SMALL, Size::LARGE];

fn with_clusters(clusters: usize) -> TestEnv {
    TestEnv::with_fleet(Fleet::generate(&FleetSpec {
        tenants: 2,
        subscriptions: 4,
        clusters,
        same_name: 0.2,
        ..FleetSpec::default()
    }))
}

/// Runs a `sync` with every stream at the terminal. No line may be wider.
fn seen(test_env: &TestEnv, size: Size, args: &[&str], variables: &[(&str, &str)]) -> Seen {
    let mut command = test_env.typed(&[&["sync", "-e", CLOUD], args].concat());
    command.envs(variables.iter().copied());
    let seen = AtATerminal::start(command, size).finish();
    for line in seen.raw.split(['\r', '\n']) {
        let line = without_colors(line);
        assert!(line.chars().count() <= size.columns.into(), "{line}");
    }
    seen
}

/// A line without SGR and other CSI sequences.
fn without_colors(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(
            part.split_once(|c: char| c.is_ascii_alphabetic())
                .map_or("", |(_, rest)| rest),
        );
    }
    out
}

/// ARM's answer to a person without the role.
fn refusal(cluster: &Cluster) -> Fault {
    Fault::on(Endpoint::ListClusterUserCredential)
        .cluster(&cluster.id)
        .status(403)
}

fn shown(page: &mut Page<'_>, note: &str, size: Size, seen: &Seen) {
    page.note(&format!("{note}, {} columns", size.columns));
    page.add(&seen.screen.text());
    page.add(&format!("[exit code {}]\n", seen.code));
}

#[test]
fn a_sync_shows_what_changed_and_what_failed_at_every_width() {
    for size in SIZES {
        let test_env = with_clusters(30);
        let clusters = test_env.simulator.fleet().clusters;
        let faults = test_env.simulator.faults();
        let mut page = Page::new(&test_env);
        let sync = |args: &[&str]| seen(&test_env, size, args, &[]);
        shown(&mut page, "first", size, &sync(&[]));
        shown(&mut page, "unchanged", size, &sync(&[]));
        let edited = test_env
            .kubeconfig_text()
            .replacen("server: https://", "server: http://", 1);
        std::fs::write(test_env.kubeconfig(), edited).expect("written");
        for cluster in &clusters[..5] {
            faults.add(refusal(cluster));
        }
        let gone = Fault::on(Endpoint::ListClusterUserCredential).status(404);
        faults.add(gone.cluster(&clusters[7].id));
        shown(&mut page, "some failed", size, &sync(&["--refresh"]));
        faults.clear();
        faults.add(Fault::on(Endpoint::ListClusterUserCredential).status(403));
        shown(&mut page, "all failed", size, &sync(&["--refresh"]));
        shown(
            &mut page,
            "all failed, quiet",
            size,
            &sync(&["-q", "--refresh"]),
        );
        faults.clear();
        let other = sync(&["-l", "devicecode", "--arm-login", "azurecli", "--dry-run"]);
        shown(&mut page, "another login mode, dry run", size, &other);
        page.assert(&format!("screen_sync_{}", size.columns));
    }
}

#[test]
fn a_terminal_without_utf_8_or_colors_gets_neither() {
    let test_env = with_clusters(3);
    let clusters = test_env.simulator.fleet().clusters;
    test_env.simulator.faults().add(refusal(&clusters[0]));
    let sync = |variables: &[(&str, &str)]| seen(&test_env, Size::SMALL, &["--dry-run"], variables);
    let color = "\u{1b}[31m";
    for (variables, mark, colored) in [
        (&[][..], "✗", true),
        (&[("NO_COLOR", "1")], "✗", false),
        (&[("LANG", "C")], "x", true),
        (&[("TERM", "dumb")], "x", false),
    ] {
        let seen = sync(variables);
        let text = seen.screen.text();
        let name = &clusters[0].name;
        assert!(
            text.contains(&format!("{mark} {name}")),
            "{variables:?}: {text}"
        );
        assert_eq!(seen.raw.contains(color), colored, "{variables:?}");
        assert_eq!(text.is_ascii(), mark == "x", "{text}");
    }
}

#[test]
fn a_pipe_gets_the_table_without_color_unless_it_is_forced() {
    let test_env = with_clusters(2);
    let clusters = test_env.simulator.fleet().clusters;
    test_env.simulator.faults().add(refusal(&clusters[0]));
    let sync = |variables: &[(&str, &str)]| {
        let mut command = test_env.sync(&["--dry-run"]);
        run(command.envs(variables.iter().copied()))
    };
    let plain = sync(&[]);
    assert!(plain.stdout.starts_with("CLUSTER"), "{}", plain.stdout);
    assert!(!(plain.stdout + &plain.stderr).contains('\u{1b}'));
    let forced = sync(&[("CLICOLOR_FORCE", "1")]);
    assert!(!forced.stdout.contains('\u{1b}'), "{}", forced.stdout);
    assert!(
        forced.stderr.contains("\u{1b}[31mx\u{1b}[0m "),
        "{}",
        forced.stderr
    );
    let neither = sync(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!neither.stderr.contains('\u{1b}'), "{}", neither.stderr);
}

#[test]
fn the_labels_of_an_error_are_colored_at_a_terminal() {
    let test_env = with_clusters(1);
    for (variables, label) in [
        (&[][..], "\u{1b}[31merror:\u{1b}[0m "),
        (&[("NO_COLOR", "1")], "error: "),
    ] {
        let seen = seen(&test_env, Size::WIDE, &["-l", "nothing"], variables);
        assert_eq!(seen.code, 2);
        assert!(seen.raw.starts_with(label), "{}", seen.raw);
    }
}

#[test]
fn quiet_is_silent_where_nothing_failed_and_keeps_documents() {
    let test_env = with_clusters(2);
    for args in [&["-q"][..], &["-q", "-o", "wide"]] {
        let ran = run(&mut test_env.sync(args));
        assert_eq!(
            (ran.code, ran.stdout, ran.stderr),
            (0, String::new(), String::new())
        );
    }
    let seen = seen(&test_env, Size::SMALL, &["-q"], &[]);
    assert_eq!(seen.raw, "");
    let ran = run(&mut test_env.sync(&["--quiet", "-o", "json"]));
    assert_eq!(ran.json(0)["summary"]["unchanged"], 2);
    assert_eq!(ran.stderr, "");
}

#[test]
fn tables_fit_a_terminal_unless_all_columns_are_asked_for() {
    let test_env = with_clusters(4);
    assert_eq!(run(&mut test_env.sync(&[])).code, 0);
    let mut page = Page::new(&test_env);
    for line in ["list", "list -o wide", "sync -o table", "sync -o wide"] {
        let mut args: Vec<_> = line.split(' ').collect();
        args.extend(["-e", CLOUD]);
        let command = test_env.typed(&args);
        let seen = AtATerminal::start(command, Size::SMALL).finish();
        assert_eq!(seen.code, 0, "{}", seen.raw);
        page.note(line).add(&seen.screen.text());
    }
    page.assert("screen_tables");
}

#[test]
fn the_configuration_fits_a_terminal() {
    let test_env = TestEnv::new();
    let directory = test_env.path("config");
    std::fs::create_dir(&directory).expect("made");
    let path = test_env.write(
        "config/config.yaml",
        "login: spn\nclient-id: 00000000-0000-0000-0000-000000000001\nlogin-hint: ann@contoso.example\n\
         subscription: [Contoso Production West, Contoso Production East, Contoso Sandbox]\nprofiles:\n  \
         customer:\n    tenant-id: customer.example\n    ca-files: true\n    max-age: 12h\n",
    );
    let variables = [
        ("AAD_CONFIG", path.to_str().expect("UTF-8")),
        ("AAD_PROFILE", "customer"),
        ("AZURE_CLIENT_SECRET", "a-secret"),
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_CONFIG_DIR", "/azure"),
    ];
    for size in SIZES {
        let mut page = Page::new(&test_env);
        for words in [&[][..], &["sync", "-l", "devicecode", "--ca-files=false"]] {
            let mut command = test_env.typed(&[&["config", "view"], words].concat());
            command.envs(variables);
            let seen = AtATerminal::start(command, size).finish();
            assert_eq!(seen.code, 0, "{}", seen.raw);
            assert!(!seen.raw.contains("a-secret"), "{}", seen.raw);
            page.note(&words.join(" ")).add(&seen.screen.text());
        }
        let mut command = test_env.typed(&["config", "view"]);
        command.env("AZURE_CONFIG_DIR", "");
        let seen = AtATerminal::start(command, size).finish();
        page.note("no file").add(&seen.screen.text());
        page.assert(&format!("screen_config_{}", size.columns));
    }
}

#[test]
fn of_more_clusters_than_two_screens_hold_the_first_are_shown() {
    let test_env = with_clusters(60);
    let seen = seen(&test_env, Size::SMALL, &["--dry-run"], &[]);
    let lines = &seen.screen.lines;
    let added = lines.iter().filter(|line| line.starts_with("+ ")).count();
    assert_eq!(added, 20, "{}", seen.screen.text());
    assert_eq!(lines[20], "  and 40 more: `-o wide` shows all");
}
