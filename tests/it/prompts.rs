//! Who is asked to sign in: the rows of `docs/prompts.md`, through the real kubectl at
//! pseudo-terminals, pipes and files.

use std::{
    fmt::Write as _,
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use azure_sim::{AKS_SERVER_APP, Endpoint, Fault, SignIn};
use kubectl_aad::internals::{Interaction, LoginMode, Sink, Situation};
use rustix::process::Signal;

use crate::{
    env::{
        self, NON_INTERACTIVE, PROGRAM, Ran, TIMEOUT, TestEnv, browser_that_tells, finished,
        first_words, run, run_at_a_terminal, start, wait_for_file, walk,
    },
    support::repository,
};

/// One cluster in a kubeconfig that `sync` wrote, whose people sign in by device code, and nobody
/// signed in. `None` where kubectl is missing.
fn with_kubectl() -> Option<TestEnv> {
    let test_env = TestEnv::builder().peer("kubectl")?.build();
    let args = ["--login", "devicecode", "--arm-login", "azurecli"];
    let synced = run(test_env.sync(&args).args(["--no-warm", "-o", "name"]));
    assert_eq!(synced.code, 0, "{}", synced.stderr);
    // The context is the current one now. To choose it once more would sign a person in with Google's kubectl,
    // which asks the current context's cluster for its version, whatever the command.
    test_env.simulator.reset();
    Some(test_env)
}

/// A line of shell, without a terminal.
fn shell(test_env: &TestEnv, line: &str) -> Command {
    let mut command = test_env.program("/bin/sh");
    command.args(["-c", line]);
    command
}

/// The same at a terminal; all that is shown there comes back as standard output.
fn shell_at_a_terminal(test_env: &TestEnv, line: &str) -> Ran {
    run_at_a_terminal(shell(test_env, line))
}

fn sign_out(test_env: &TestEnv) {
    let _ = fs::remove_dir_all(test_env.path(".kube/cache/kubectl-aad"));
    test_env.simulator.reset();
}

/// How many device codes were asked for.
fn codes(test_env: &TestEnv) -> u64 {
    test_env.simulator.counters().get(Endpoint::DeviceCode)
}

/// How kubectl is called, and whether a person is asked then.
const AT_A_TERMINAL: &[(&str, bool)] = &[
    ("kubectl get ns", true),
    // Standard input plays no part.
    ("kubectl get ns </dev/null", true),
    ("kubectl get ns <&-", true),
    ("echo manifest | kubectl get ns", true),
    ("echo ns | xargs kubectl get", true),
    ("echo ns | while read it; do kubectl get $it; done", true),
    // What is shown is seen, or can be.
    ("kubectl get ns 2>said", true),
    ("kubectl get ns 2>&1 | cat", true),
    ("kubectl get ns >/dev/null", true),
    ("CI=false kubectl get ns", true),
    ("CI=0 kubectl get ns", true),
    ("CI= kubectl get ns", true),
    ("kubectl get ns 2>/dev/null", false),
    ("kubectl get ns 2>&-", false),
    ("CI=true kubectl get ns", false),
];

const WITHOUT_A_TERMINAL: &[(&str, bool)] = &[
    // An editor or a dashboard, `docker run` and ssh without `-t`.
    ("kubectl get ns", true),
    ("kubectl get ns <&-", true),
    ("kubectl get ns 2>said", true),
    ("CI=1 kubectl get ns", false),
    ("kubectl get ns 2>/dev/null", false),
];

#[test]
fn kubectl_signs_a_person_in_wherever_what_to_do_can_be_seen() {
    let Some(test_env) = with_kubectl() else {
        return;
    };
    let mut wrong = String::new();
    for (line, asks) in AT_A_TERMINAL {
        sign_out(&test_env);
        let ran = shell_at_a_terminal(&test_env, line);
        check(&test_env, line, *asks, &ran, &mut wrong);
    }
    for (line, asks) in WITHOUT_A_TERMINAL {
        sign_out(&test_env);
        let ran = run(&mut shell(&test_env, line));
        check(&test_env, line, *asks, &ran, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn check(test_env: &TestEnv, line: &str, asks: bool, ran: &Ran, wrong: &mut String) {
    let file = test_env.path("said");
    let in_file = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&file);
    let said = format!("{}{}{in_file}", ran.stdout, ran.stderr);
    let codes = codes(test_env);
    let well = if asks {
        ran.code == 0 && codes == 1 && said.contains("enter the code")
    } else {
        ran.code != 0 && codes == 0 && !said.contains("enter the code")
    };
    let explained = !line.contains("CI=") || asks || said.contains("`CI` is set");
    if !well || !explained {
        writeln!(wrong, "`{line}`: {} {codes} {said}", ran.code).expect("a string");
    }
}

#[test]
fn kubectl_asks_once_for_a_command_whose_sign_in_came_to_nothing() {
    let Some(test_env) = with_kubectl() else {
        return;
    };
    let simulator = &test_env.simulator;
    // Nobody answers in time.
    simulator.configure(|settings| {
        settings.device_auto_approve = None;
        settings.device_expires_in = 1;
    });
    let ran = run(&mut shell(&test_env, "kubectl get ns"));
    assert_ne!(ran.code, 0);
    assert_eq!(codes(&test_env), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("nobody signed in just now"),
        "kubectl calls several times: {}",
        ran.stderr
    );
    // The next command asks, at once.
    simulator.configure(|settings| {
        settings.device_auto_approve = Some((1, simulator.fleet().users[0].upn.clone()));
        settings.device_expires_in = 900;
    });
    let ran = run(&mut shell(&test_env, "kubectl get ns"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(codes(&test_env), 2);
}

#[test]
fn a_browser_is_opened_where_standard_error_goes_nowhere() {
    let test_env = TestEnv::new();
    let (browser, told) = browser_that_tells(&test_env);
    let args = test_env.user_args("interactive", &[]);
    let start = |browser: &str| {
        test_env
            .get_token_command(&args, &[("BROWSER", browser)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts")
    };
    let without = finished(start("no-such-browser"));
    assert_eq!(without.code, 1);
    assert_eq!(test_env.simulator.counters().total(), 0);
    test_env.simulator.configure(|settings| {
        settings.sign_in = SignIn::As(test_env.user.upn.clone());
    });
    let mut child = start(&browser);
    let address = wait_for_file(&told, &mut child);
    walk(&test_env, &address);
    test_env.claims(&finished(child));
}

#[test]
fn a_code_that_cannot_be_written_is_not_waited_for() {
    let test_env = TestEnv::new();
    test_env
        .simulator
        .configure(|settings| settings.device_auto_approve = None);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = test_env
        .get_token_command(
            &test_env.user_args("devicecode", &["--timeout", "10m"]),
            &[],
        )
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .expect("the program starts");
    let end = Instant::now() + TIMEOUT;
    loop {
        if let Some(status) = child.try_wait().expect("ours") {
            assert_eq!(status.code(), Some(1));
            return;
        }
        assert!(Instant::now() < end, "it waits for nobody");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_stopped_sign_in_holds_nobody_up() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = test_env.user_args("devicecode", &[]);
    let start = || start(&mut test_env.get_token_command(&args, &[]));
    let stopped = Stopped::new(start());
    let first_code = simulator.wait_for_user_code(TIMEOUT);
    stopped.signal(Signal::STOP);
    // Nobody can be asked here, so there is nothing to wait for.
    let refused = run(&mut test_env.get_token_command(&args, &[NON_INTERACTIVE]));
    assert_eq!(refused.code, 1);
    let pid = stopped.id();
    for word in [
        "going on without process",
        &pid,
        "is stopped",
        "`CI` is set",
    ] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    // Several that can ask make one prompt.
    let asking = [start(), start(), start()];
    let end = Instant::now() + TIMEOUT;
    let code = loop {
        let codes = simulator.pending_user_codes();
        if let Some(code) = codes.into_iter().find(|code| *code != first_code) {
            break code;
        }
        assert!(Instant::now() < end, "nobody else asks");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    for child in asking {
        test_env.claims(&finished(child));
    }
    assert_eq!(simulator.counters().get(Endpoint::DeviceCode), 2);
    // The stopped one's own prompt is no longer needed, either.
    stopped.signal(Signal::CONT);
    test_env.claims(&finished(stopped.into_child()));
}

#[test]
fn a_stopped_process_does_not_keep_others_from_a_token_that_needs_no_person() {
    let test_env = TestEnv::new();
    let hold = test_env.simulator.hold(Fault::on(Endpoint::Token));
    let args = test_env.spn_args(&["--client-secret", test_env.principal.secret()]);
    let child = test_env
        .get_token_command(&args, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let stopped = Stopped::new(child);
    hold.wait_for(1, TIMEOUT);
    stopped.signal(Signal::STOP);
    hold.release();
    let ran = run(&mut test_env.get_token_command(&args, &[]));
    test_env.claims(&ran);
    assert!(ran.stderr.contains("is stopped"), "{}", ran.stderr);
}

/// A process that ends with the test, though it may be stopped.
struct Stopped(Option<Child>);

impl Stopped {
    fn new(child: Child) -> Self {
        Self(Some(child))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it was not taken")
    }

    fn id(&self) -> String {
        let child = self.0.as_ref().expect("it was not taken");
        child.id().to_string()
    }

    fn into_child(mut self) -> Child {
        self.0.take().expect("it was not taken")
    }

    fn signal(&self, signal: Signal) {
        env::signal(self.0.as_ref().expect("it was not taken"), signal);
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn those_who_wait_for_a_sign_in_say_whose_on_any_stderr() {
    let test_env = TestEnv::new();
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.device_auto_approve = None);
    let args = test_env.user_args("devicecode", &[]);
    let start = |env: &[(&str, &str)]| start(&mut test_env.get_token_command(&args, env));
    let holder = start(&[]);
    let code = simulator.wait_for_user_code(TIMEOUT);
    // Where nobody can be asked, too: the sign-in in progress serves it.
    let mut waits = start(&[NON_INTERACTIVE]);
    let said = first_words(&mut waits, &["waiting for process", "error"]);
    assert!(said.contains("waiting for process"), "{said}");
    assert!(simulator.approve_device(&code, &test_env.user.upn));
    let pid = holder.id().to_string();
    test_env.claims(&finished(holder));
    let ran = finished(waits);
    assert!(ran.stderr.contains(&pid), "{}", ran.stderr);
    test_env.claims(&ran);
}

/// Who asks is one function; its page shows it as a table.
#[test]
fn the_page_about_prompts_shows_what_the_function_decides() {
    let cell = |mode, is_ci, stderr, has_browser| {
        let situation = Situation {
            in_background: false,
            is_ci,
            stderr,
            opens_browser: mode == LoginMode::Interactive && has_browser,
            timeout: None,
        };
        match Interaction::of(&situation) {
            Interaction::Interactive { wait } if wait.as_secs() < 120 => {
                format!("asks, waits {} s", wait.as_secs())
            }
            Interaction::Interactive { wait } => {
                format!("asks, waits {} min", wait.as_secs() / 60)
            }
            Interaction::NonInteractive(_) => "refuses".to_owned(),
        }
    };
    let mut table = String::new();
    for (ci, is_ci) in [("set", true), ("not set", false)] {
        for (to, stderr) in [
            ("a terminal", Sink::Terminal),
            ("a pipe, a file or a socket", Sink::Stream),
            ("nowhere (`/dev/null`, closed)", Sink::Nowhere),
        ] {
            let code = cell(LoginMode::DeviceCode, is_ci, stderr, false);
            let browser = cell(LoginMode::Interactive, is_ci, stderr, true);
            let none = cell(LoginMode::Interactive, is_ci, stderr, false);
            writeln!(table, "| {ci} | {to} | {code} | {browser} | {none} |").expect("a string");
        }
    }
    let page = fs::read_to_string(repository().join("docs/prompts.md")).expect("the page");
    assert!(
        page.contains(&table),
        "docs/prompts.md should hold\n{table}"
    );
}

/// A token near its end, whose background refresh is held back until the test lets it go.
fn due(test_env: &TestEnv) -> Vec<String> {
    let simulator = &test_env.simulator;
    simulator.configure(|settings| settings.service_token_lifetime = 590);
    let secret = test_env.principal.secret().to_owned();
    let args: Vec<String> = test_env
        .spn_args(&["--client-secret", &secret])
        .into_iter()
        .map(str::to_owned)
        .collect();
    let borrowed: Vec<&str> = args.iter().map(String::as_str).collect();
    test_env.claims(&test_env.get_token(&borrowed, &[]));
    args
}

#[test]
fn a_background_refresh_keeps_no_pipe_no_lock_and_no_directory() {
    let test_env = TestEnv::new();
    let args = due(&test_env);
    let hold = test_env.simulator.hold(Fault::on(Endpoint::Token));
    let place = test_env.path("place");
    fs::create_dir(&place).expect("made");
    let authority = test_env.simulator.authority_url();
    let lock = File::create(test_env.path("lock")).expect("made");
    lock.lock().expect("nobody else has it");
    let line = format!(
        "cd place && exec 9<&0 && \
         '{}' get-token --server-id {AKS_SERVER_APP} --authority-host {authority} {} 3>&1 >../token",
        PROGRAM,
        args.join(" ")
    );
    // The lock is the shell's and its children's now.
    let ran = run(shell(&test_env, &line).stdin(lock));
    // It ended although the refresh continues: nothing holds the pipe open.
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    hold.wait_for(1, TIMEOUT);
    let lock = File::open(test_env.path("lock")).expect("made");
    assert!(lock.try_lock().is_ok(), "the lock is free");
    let pid = holder(&test_env);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let session = stat
        .rsplit_once(')')
        .and_then(|(_, fields)| fields.split_whitespace().nth(3))
        .expect("a session");
    assert_eq!(session, pid, "it leads a session of its own");
    let directory = fs::read_link(format!("/proc/{pid}/cwd"));
    assert!(directory.is_err() || directory.is_ok_and(|at| at.as_os_str() == "/"));
    // Its memory is kept from others, and its directory with it; but this one may go.
    fs::remove_dir(&place).expect("empty");
    hold.release();
}

/// The number of the process whose lock on a token is the newest.
fn holder(test_env: &TestEnv) -> String {
    let cache = test_env.path(".kube/cache/kubectl-aad");
    let locks = fs::read_dir(cache).expect("the cache").flatten();
    let newest = locks
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "lock")
        })
        .filter(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 0))
        .max_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
        .expect("a lock");
    let holder = fs::read_to_string(newest).expect("readable");
    let pid = holder.split_whitespace().next().expect("a word");
    pid.strip_prefix("pid=").expect("the process id").to_owned()
}

/// As process 1 of a container may be: an application that knows nothing of other children.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_reaps_nobody_keeps_one_zombie_at_most() {
    const INSIDE: &str = "AAD_TEST_REAPS_NOBODY";
    const NAME: &str = "prompts::a_process_that_reaps_nobody_keeps_one_zombie_at_most";
    if std::env::var_os(INSIDE).is_none() {
        let itself = std::env::current_exe().expect("this program");
        let ran = run(Command::new(itself)
            .args(["--exact", NAME])
            .env(INSIDE, "1"));
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        return;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("Linux does");
    let test_env = TestEnv::new();
    let args = due(&test_env);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let counters = || test_env.simulator.counters().tokens("client_credentials");
    let cache = test_env.path(".kube/cache/kubectl-aad");
    for round in 0..3 {
        for entry in fs::read_dir(&cache).expect("the cache").flatten() {
            // What puts the next attempt off for a minute.
            if entry.file_name().to_string_lossy().starts_with("ahead-") {
                fs::remove_file(entry.path()).expect("ours");
            }
        }
        let before = counters();
        test_env.claims(&test_env.get_token(&args, &[]));
        let end = Instant::now() + TIMEOUT;
        while zombies() == 0 || counters() == before {
            assert!(
                Instant::now() < end,
                "round {round}: {} {}",
                zombies(),
                counters()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(zombies(), 1, "round {round}");
    }
}

/// How many children of this process ended and were not asked how.
#[cfg(target_os = "linux")]
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    processes
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
            let mut fields = fields.split_whitespace();
            fields.next() == Some("Z") && fields.next() == Some(&own)
        })
        .count()
}

#[test]
fn a_browser_keeps_no_descriptor_and_is_no_part_of_the_command() {
    let test_env = TestEnv::new();
    let found = test_env.path("found");
    let text = format!(
        "#!/bin/sh\n{{ ls /proc/self/fd; pwd; cut -d' ' -f5 /proc/$$/stat; echo $$; }} > '{0}.new'; mv '{0}.new' '{0}'\n",
        found.display()
    );
    test_env.install_script("looks", &text);
    let authority = test_env.simulator.authority_url();
    let line = format!(
        "exec 7>lock; exec '{}' get-token --server-id {AKS_SERVER_APP} --authority-host {authority} {}",
        PROGRAM,
        test_env.user_args("interactive", &[]).join(" ")
    );
    let mut shell = shell(&test_env, &line);
    shell
        .env("BROWSER", "looks")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = shell.spawn().expect("the shell starts");
    let mut child = Stopped::new(child);
    let seen = wait_for_file(&found, child.child());
    let lines: Vec<&str> = seen.lines().collect();
    assert!(!lines.contains(&"7"), "{seen}");
    let [.., directory, group, pid] = lines.as_slice() else {
        panic!("{seen}");
    };
    assert_eq!(*directory, "/");
    assert_eq!(group, pid, "Ctrl-C does not reach it");
}

#[test]
fn az_gets_no_descriptor_of_the_caller() {
    let test_env = TestEnv::new();
    let behind = test_env.path("az");
    fs::rename(test_env.bin("az"), &behind).expect("ours");
    let found = test_env.path("found");
    let text = format!(
        "#!/bin/sh\nls /proc/self/fd > '{}'\nexec '{}' \"$@\"\n",
        found.display(),
        behind.display()
    );
    test_env.install_script("az", &text);
    let line = format!(
        "exec 7>lock; exec '{}' get-token --server-id {AKS_SERVER_APP} -l azurecli --tenant-id {}",
        PROGRAM, test_env.tenant
    );
    let mut shell = shell(&test_env, &line);
    test_env.claims(&run(&mut shell));
    let seen = fs::read_to_string(&found).expect("az ran");
    assert!(!seen.lines().any(|number| number == "7"), "{seen}");
}

#[test]
fn who_waits_for_the_lock_of_a_kubeconfig_says_so() {
    let test_env = TestEnv::new();
    let kubeconfig = test_env.kubeconfig();
    fs::create_dir_all(kubeconfig.parent().expect("a directory")).expect("made");
    let exec = "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user:\n    exec:\n      \
                apiVersion: client.authentication.k8s.io/v1\n      command: kubelogin\n      args: [get-token, \
                --server-id, s, --login, devicecode, --client-id, c, --tenant-id, t]\n";
    fs::write(&kubeconfig, exec).expect("written");
    let lock = kubeconfig.with_extension("lock");
    fs::write(&lock, "").expect("a lock of kubectl");
    let mut command = test_env.aad(&["convert-kubeconfig", "-l", "azurecli"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let said = first_words(&mut child, &["up to 30 s", "error"]);
    assert!(
        said.contains("waiting for the lock") && said.contains("another program"),
        "{said}"
    );
    fs::remove_file(&lock).expect("ours");
    assert_eq!(finished(child).code, 0);
}

#[test]
fn ctrl_c_ends_az_and_what_it_started() {
    use std::os::unix::process::CommandExt as _;
    let test_env = TestEnv::new();
    let found = test_env.path("found");
    let text = format!(
        "#!/bin/sh\nsleep 600 &\necho $$ $! > '{0}.new'; mv '{0}.new' '{0}'\nwait\n",
        found.display()
    );
    test_env.install_script("az", &text);
    let mut child = test_env
        .get_token_command(&["-l", "azurecli", "--tenant-id", &test_env.tenant], &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the program starts");
    let pids = wait_for_file(&found, &mut child);
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, rustix::process::Signal::INT).expect("ours");
    assert!(!child.wait().expect("ours").success());
    let end = Instant::now() + TIMEOUT;
    for pid in pids.split_whitespace() {
        let runs = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, state)| !state.starts_with('Z'))
        };
        while runs() {
            assert!(Instant::now() < end, "process {pid} goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
