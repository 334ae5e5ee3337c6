//! Checks the documentation: links, the index, the commands and names that it shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use kubectl_aad::cli::command;
use kubectl_aad::internals::{CLOUDS, CODES, CUSTOM_CLOUD, MODES, REMEDIES, VERDICTS};

use crate::support::repository;

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let broken: Vec<_> = pages().iter().flat_map(|page| broken_links(page)).collect();
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_page_is_reachable_from_the_readme() {
    let mut reached = BTreeSet::new();
    let mut open = vec![repository().join("README.md")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            // A link to a directory shows its listing.
            open.extend(pages_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "md")
            && let Ok(page) = path.canonicalize()
            && reached.insert(page)
        {
            let links = links(&read(&path));
            open.extend(links.iter().map(|link| target(&path, link).0));
        }
    }
    let lost: Vec<_> = pages()
        .into_iter()
        .filter(|page| !reached.contains(&page.canonicalize().expect("it was just listed")))
        .collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn the_readme_names_one_test_command_for_newcomers_and_ci_alike() {
    let readme = read(&repository().join("README.md"));
    let commands: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with("cargo test"))
        .collect();
    assert_eq!(commands, ["cargo test --workspace"]);
}

#[test]
fn the_guide_names_every_cloud() {
    let guide = read(&repository().join("docs/guide.md"));
    let names = CLOUDS.iter().map(|row| row.name).chain([CUSTOM_CLOUD]);
    let unnamed: Vec<_> = names
        .filter(|name| !guide.contains(&format!("`{name}`")))
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

#[test]
fn the_readme_names_every_login_mode() {
    let readme = read(&repository().join("README.md"));
    let names = MODES.iter().map(|row| row.name);
    let unnamed: Vec<_> = names
        .filter(|name| !readme.contains(&format!("\n| `{name}` |")))
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

#[test]
fn the_paths_of_code_in_the_architecture_exist() {
    let page = read(&repository().join("docs/architecture.md"));
    let paths = page.split('`').skip(1).step_by(2);
    let gone: Vec<_> = paths
        .filter(|path| path.contains("::") && !path.contains(' '))
        .filter(|path| !names_code(path))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

/// Whether `path`, such as `auth::cache::CacheKey`, is a module of the program or a name in one.
fn names_code(path: &str) -> bool {
    let file = |path: &str| {
        let file = format!("src/{}.rs", path.replace("::", "/"));
        fs::read_to_string(repository().join(file))
    };
    file(path).is_ok()
        || path
            .rsplit_once("::")
            .is_some_and(|(module, name)| file(module).is_ok_and(|text| text.contains(name)))
}

#[test]
fn the_names_of_code_in_the_glossary_exist() {
    let glossary = read(&repository().join("docs/glossary.md"));
    let code: String = sources()
        .iter()
        .map(|path| fs::read_to_string(path).expect("source text"))
        .collect();
    let names = glossary.split('`').skip(1).step_by(2);
    let gone: Vec<_> = names
        // Others are variables.
        .filter(|name| name.contains(char::is_lowercase))
        .filter(|name| name.starts_with(char::is_uppercase))
        .filter(|name| {
            !["struct", "enum", "trait"]
                .iter()
                .any(|kind| code.contains(&format!("{kind} {name}")))
        })
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn the_page_of_entra_errors_is_what_the_table_says() {
    let mut page = String::from(
        "# Errors of Entra ID\n\n\
         Generated from the program's own table; a test fails when it is stale. An error that carries one of\n\
         these codes (`AADSTS` and the number) is shown with its meaning and with what to do.\n\n\
         | code | meaning | what to do |\n| --- | --- | --- |\n",
    );
    for row in REMEDIES {
        let application = match row.application_hint() {
            same if same == row.hint => String::new(),
            other => format!("; for an application: {other}"),
        };
        page.push_str(&format!(
            "| AADSTS{} | {} | {}{application} |\n",
            row.code, row.meaning, row.hint
        ));
    }
    let path = repository().join("docs/reference/entra-errors.md");
    if std::env::var_os("AAD_WRITE_REFERENCE").is_some() {
        fs::write(&path, &page).expect("docs/ can be written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "`{}` is stale; write it with `AAD_WRITE_REFERENCE=1 cargo test --test it entra_errors`",
        path.display()
    );
}

#[test]
fn the_page_of_report_codes_is_what_the_enum_says() {
    let mut page = String::from(
        "# Codes in reports\n\n\
         Generated from the program's own table; a test fails when it is stale. In `-o json` and `-o yaml`, `code` says why\n\
         a cluster failed or was skipped (`clusters`), a token could not be fetched (`tokens`), or something could not be\n\
         searched (`problems`); `convert-kubeconfig` says why a user was not converted (`users`). A code keeps its meaning;\n\
         new ones may be added.\n\n\
         | code | meaning |\n| --- | --- |\n",
    );
    for (code, meaning) in CODES {
        page.push_str(&format!("| `{}` | {meaning} |\n", code.name()));
    }
    page.push_str(
        "\n## Verdicts\n\nWhat `verdict` says in the documents of `verify`.\n\n| verdict | meaning |\n| --- | --- |\n",
    );
    for (verdict, meaning) in VERDICTS {
        page.push_str(&format!("| `{}` | {meaning} |\n", verdict.name()));
    }
    let path = repository().join("docs/reference/report-codes.md");
    if std::env::var_os("AAD_WRITE_REFERENCE").is_some() {
        fs::write(&path, &page).expect("docs/ can be written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "`{}` is stale; write it with `AAD_WRITE_REFERENCE=1 cargo test --test it report_codes`",
        path.display()
    );
}

#[test]
fn every_command_shown_is_one_that_the_program_takes() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    // A decision may mention commands that do not exist yet.
    let pages = pages()
        .into_iter()
        .filter(|page| !page.starts_with(repository().join("docs/decisions")));
    for page in pages {
        for shown in commands(&read(&page)) {
            seen += 1;
            let parsed = command().try_get_matches_from(shown.split_whitespace());
            if let Err(error) = parsed
                && error.use_stderr()
                && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            {
                wrong.push(format!("{}: `{shown}`: {error}", page.display()));
            }
        }
    }
    assert!(seen > 10, "the pages show commands, and {seen} were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_is_found_in_code_and_in_a_line_of_prose() {
    let page = "Run `kubectl aad list`, not kubectl aad this.\n```sh\n\
                kubectl aad sync -o json | jq .   # all\nkubectl get ns\n```\n";
    assert_eq!(
        commands(page),
        ["kubectl-aad list", "kubectl-aad sync -o json"]
    );
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_found() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let page = directory.path().join("page.md");
    fs::write(
        &page,
        "# One `kubectl` page!\n[a](page.md#one-kubectl-page) [b](gone.md) [c](#two)\n\
         `[d](not-a-link.md)` [e](https://example.com/gone)\n```\n[f](in-code.md)\n# two\n```\n",
    )
    .expect("the page can be written");
    let broken = broken_links(&page);
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(
        broken[0].contains("gone.md") && broken[1].contains("#two"),
        "{broken:?}"
    );
}

/// Every page under docs/, and those at the root.
pub(crate) fn pages() -> Vec<PathBuf> {
    let root = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    let mut pages = pages_in(&repository().join("docs"));
    pages.extend(root.map(|page| repository().join(page)));
    pages
}

/// Every page under `directory`, in order.
fn pages_in(directory: &Path) -> Vec<PathBuf> {
    files_in(directory, "md")
}

fn sources() -> Vec<PathBuf> {
    files_in(&repository().join("src"), "rs")
}

/// The files under `directory` with this extension, in order.
pub(crate) fn files_in(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The broken links of `page`, each as `page: link`. Links to other hosts are not checked: tests
/// use no network.
fn broken_links(page: &Path) -> Vec<String> {
    links(&read(page))
        .iter()
        .filter(|link| {
            let (path, heading) = target(page, link);
            !path.exists()
                || heading.is_some_and(|heading| !anchors(&read(&path)).contains(heading))
        })
        .map(|link| format!("{}: {link}", page.display()))
        .collect()
}

/// The file that `link` on `page` leads to, and the heading in it.
fn target<'a>(page: &Path, link: &'a str) -> (PathBuf, Option<&'a str>) {
    let (path, heading) = match link.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (link, None),
    };
    let path = if path.is_empty() {
        page.to_path_buf()
    } else {
        page.parent().expect("a page is in a directory").join(path)
    };
    (path, heading)
}

/// Our commands that `markdown` shows as code, inline or in a block.
fn commands(markdown: &str) -> Vec<String> {
    let blocks: Vec<_> = markdown.split("```").skip(1).step_by(2).collect();
    let prose: String = prose_lines(markdown)
        .flat_map(|line| [line, "\n"])
        .collect();
    let spans = prose.split('`').skip(1).step_by(2);
    spans
        .chain(blocks.iter().flat_map(|block| block.lines()))
        .map(|line| {
            line.split(['#', '|', '>', '<', ';'])
                .next()
                .unwrap_or(line)
                .trim()
        })
        .filter(|line| line.starts_with("kubectl aad ") || line.starts_with("kubectl-aad "))
        // With an ellipsis it is not a whole command.
        .filter(|line| !line.contains('…'))
        .map(|line| line.replacen("kubectl aad", "kubectl-aad", 1))
        .collect()
}

/// The relative targets of the inline links in `markdown`, without those in code.
fn links(markdown: &str) -> Vec<String> {
    let prose: String = prose_lines(markdown)
        .flat_map(|line| [line, "\n"])
        .collect::<String>()
        .split('`')
        .step_by(2)
        .collect();
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.to_owned())
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

/// The anchors that GitHub gives the headings of `markdown`: lower case, spaces as dashes, and of
/// the punctuation only dashes and underscores.
fn anchors(markdown: &str) -> BTreeSet<String> {
    prose_lines(markdown)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .map(|c| {
                    if c == ' ' {
                        '-'
                    } else {
                        c.to_ascii_lowercase()
                    }
                })
                .collect()
        })
        .collect()
}

/// The lines of `markdown` outside its fenced code blocks.
fn prose_lines(markdown: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    markdown.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

#[test]
fn every_command_of_daily_life_has_screens_of_both_sizes() {
    let page = read(&repository().join("docs/screens.md"));
    for command in [
        "sync",
        "list",
        "use",
        "exec",
        "status",
        "verify",
        "doctor",
        "completion",
        "logout",
    ] {
        let typed = format!("$ kubectl aad {command}");
        for size in ["80 columns, 24 lines:", "200 columns, 50 lines:"] {
            let sections = page
                .split("\n## ")
                .map(|section| section.split(size).nth(1));
            let mut shown = sections
                .flatten()
                .filter_map(|rest| rest.split("```").nth(1));
            assert!(
                // A list to choose from covers what was typed.
                shown.any(|screen| screen.contains(&typed)),
                "no screen of `{command}`, {size}"
            );
        }
    }
}
