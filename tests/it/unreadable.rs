//! Missing, not readable, not searchable, a directory, empty and a link that leads nowhere are
//! different answers, for each kind of file that the program is pointed at.

use azure_sim::AKS_SERVER_APP;

use crate::{env::TestEnv, support::may_mount};

/// What is wrong with the file `$F` in the directory `$D`, and the error for it.
const WRONG: [(&str, &str); 7] = [
    (":", MISSING),
    (
        "echo x >$F; chmod 600 $F; chown 0:0 $F",
        "it may not be read (of uid 0, mode 600)",
    ),
    (
        "echo x >$F; chmod 700 $D; chown 0:0 $D",
        "the directory `H/d` may not be searched (of uid 0, mode 700)",
    ),
    ("mkdir $F", "it is a directory"),
    (": >$F", EMPTY),
    ("ln -s nowhere $F", DANGLING),
    ("rmdir $D; : >$D", "`H/d` is not a directory"),
];
const MISSING: &str = "there is no such file";
const EMPTY: &str = "it is empty";
const DANGLING: &str = "it is a symbolic link to `nowhere`, which does not exist";

/// A kind of file, and what is done with it: `H` is the home directory.
struct FileKind {
    name: &'static str,
    file: &'static str,
    variables: &'static [&'static str],
    args: &'static [&'static str],
    /// What the error begins with.
    error: &'static str,
    /// What is no error for this kind.
    fine: &'static [&'static str],
}

const KINDS: [FileKind; 6] = [
    FileKind {
        name: "certificate",
        file: "d/file",
        variables: &["-u", "AZURE_CLIENT_SECRET"],
        args: &["get-token", "-l", "spn", "--client-certificate", "H/d/file"],
        error: "could not read the certificate `H/d/file`",
        fine: &[],
    },
    FileKind {
        name: "token-file",
        file: "d/file",
        variables: &[],
        args: &[
            "get-token",
            "-l",
            "workloadidentity",
            "--federated-token-file",
            "H/d/file",
        ],
        error: "could not read the federated token in `H/d/file`",
        fine: &[],
    },
    FileKind {
        name: "cloud",
        file: "d/file",
        variables: &["AZURE_ENVIRONMENT_FILEPATH=H/d/file"],
        args: &["get-token", "-l", "spn", "-e", "AzureStackCloud"],
        error: "could not read the cloud `AzureStackCloud` from `H/d/file`",
        fine: &[],
    },
    FileKind {
        name: "kubeconfig",
        file: "d/file",
        variables: &[],
        args: &[
            "convert-kubeconfig",
            "--kubeconfig",
            "H/d/file",
            "-l",
            "msi",
        ],
        error: "could not read the kubeconfig `H/d/file`",
        fine: &[EMPTY],
    },
    FileKind {
        name: "kubeconfig-of-the-variable",
        file: "d/file",
        variables: &["KUBECONFIG=H/d/file"],
        args: &["convert-kubeconfig", "-l", "msi"],
        error: "could not read the kubeconfig `H/d/file`",
        // As for kubectl, what the variable names need not be there.
        fine: &[MISSING, DANGLING, EMPTY],
    },
    FileKind {
        name: "profile-of-az",
        file: "d/azureProfile.json",
        variables: &["AZURE_CONFIG_DIR=H/d", "PATH=/nowhere"],
        args: &["get-token", "-l", "azurecli", "-v", "1"],
        error: "no token of az is cached: `H/d/azureProfile.json` can't be read",
        // Where az never signed in, az tells it.
        fine: &[MISSING, DANGLING, EMPTY],
    },
];

#[test]
fn each_reason_has_its_own_words_for_each_kind_of_file() {
    if !may_mount() {
        return;
    }
    let test_env = TestEnv::new();
    for kind in &KINDS {
        for (number, (wrong, said)) in WRONG.iter().enumerate() {
            let name = format!("{}-{number}", kind.name);
            let home = test_env.path(&name).display().to_string();
            let of_get_token = ["--server-id", AKS_SERVER_APP, "--client-id", "c", "-t", "t"];
            let more = match kind.args[0] {
                "get-token" => &of_get_token[..],
                _ => &[],
            };
            let in_home = |word: &&str| word.replace("H/", &format!("{home}/"));
            let variables: Vec<String> = kind.variables.iter().map(in_home).collect();
            let args: Vec<String> = kind.args.iter().chain(more).map(in_home).collect();
            let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let setup = format!("D=d F={}; mkdir $D; {wrong}", kind.file);
            let ran = test_env.run_as_other_user(&name, &setup, false, &variables, &args);
            let stderr = &ran.stderr;
            if kind.fine.contains(said) {
                assert!(!stderr.contains(kind.error), "{name}: {stderr}");
                continue;
            }
            for part in [kind.error, said, "hint: "] {
                assert!(stderr.contains(part), "{name} `{part}`: {stderr}");
            }
            assert_ne!(ran.code, 0, "{name}");
        }
    }
}
