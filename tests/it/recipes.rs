//! The recipes in CONTRIBUTING.md: what they name exists, and what they list is all that there is to touch.

use std::{collections::BTreeSet, fs, path::Path};

use kubectl_aad::internals::{CLOUDS, MODES, PARAMS, Param};

use crate::{docs::files_in, support::repository};

#[test]
fn every_file_and_name_of_a_recipe_exists() {
    let mut wrong = Vec::new();
    for (recipe, steps) in recipes() {
        assert!(steps.len() > 1, "{recipe} has {} steps", steps.len());
        for step in steps {
            let (files, names) = files_and_names(&step);
            let texts: Vec<String> = files
                .iter()
                .flat_map(|file| instances(file))
                .filter_map(|path| match fs::read_to_string(repository().join(&path)) {
                    Ok(text) => Some(text),
                    Err(error) => {
                        wrong.push(format!("{recipe}: {path}: {error}"));
                        None
                    }
                })
                .collect();
            for name in names.iter().filter(|_| !files.is_empty()) {
                if !texts.iter().any(|text| text.contains(name.as_str())) {
                    wrong.push(format!("{recipe}: `{name}` is not in {files:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_that_the_page_for_contributors_names_exists() {
    let page = fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("the page");
    let (files, _) = files_and_names(&page);
    let gone: Vec<_> = files
        .iter()
        .filter(|file| file.starts_with("src/") || file.starts_with("tests/"))
        .filter(|file| !file.contains(['*', '…']) && !file.contains("COMMAND"))
        .flat_map(|file| instances(file))
        .filter(|file| !repository().join(file).exists())
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn only_the_files_of_its_recipe_know_a_login_mode() {
    let knows = |mode: &str, variant: &str| {
        sources_that(|text| {
            text.contains(&format!("::{variant}"))
                || text.contains(&format!("\"{mode}\""))
                || text.contains(&format!("{mode}::"))
        })
    };
    let all = MODES
        .iter()
        .map(|row| knows(row.name, &format!("{:?}", row.mode)));
    let mut listed = listed_sources("A login mode");
    assert!(
        listed.remove("src/auth/flows/MODE.rs"),
        "each has its own file"
    );
    assert_eq!(common(all), listed);
}

#[test]
fn only_the_files_of_its_recipe_know_a_sign_in_flag() {
    let knows =
        sources_that(|text| text.contains("Param::Username") || text.contains("self.username"));
    let listed = listed_sources("A sign-in flag");
    let listed: BTreeSet<_> = listed
        .iter()
        .map(|file| file.replace("MODE", "ropc"))
        .collect();
    assert_eq!(knows, listed);
}

#[test]
fn every_sign_in_flag_is_used_where_it_is_not_declared() {
    let unused: Vec<_> = PARAMS
        .iter()
        .filter(|row| row.param != Param::DisableInstanceDiscovery)
        .filter(|row| {
            let name = format!("Param::{:?}", row.param);
            let mut users = sources_that(|text| text.contains(&name));
            users.retain(|file| !["src/login/param.rs", "src/login/mode.rs"].contains(&&**file));
            users.is_empty()
        })
        .map(|row| row.flag)
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn only_the_files_of_its_recipe_know_a_cloud() {
    let knows = CLOUDS
        .iter()
        .map(|row| sources_that(|text| text.contains(&format!("\"{}\"", row.name))));
    assert_eq!(common(knows), listed_sources("A cloud"));
}

/// The files that are in all sets.
fn common(sets: impl Iterator<Item = BTreeSet<String>>) -> BTreeSet<String> {
    sets.reduce(|all, one| all.intersection(&one).cloned().collect())
        .unwrap_or_default()
}

#[test]
fn the_table_of_what_an_addition_costs_counts_the_files_of_its_recipe() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).expect("the page");
    for (title, steps) in recipes() {
        let files: BTreeSet<String> = steps
            .iter()
            .flat_map(|step| files_and_names(step).0)
            .filter(|file| file.starts_with("src/"))
            .collect();
        let (first, rest) = title.split_at(1);
        let row = format!("| {}{rest} | {} |", first.to_lowercase(), files.len());
        assert!(page.contains(&row), "docs/architecture.md lacks `{row}`");
    }
}

/// The title and the numbered steps of each recipe.
fn recipes() -> Vec<(String, Vec<String>)> {
    let page = fs::read_to_string(repository().join("CONTRIBUTING.md")).expect("the page");
    let (_, section) = page.split_once("\n## Recipes\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut recipes = Vec::new();
    for recipe in section.split("\n### ").skip(1) {
        let (title, text) = recipe.split_once('\n').expect("steps below the title");
        let mut steps: Vec<String> = Vec::new();
        for line in text.lines() {
            if line.starts_with(|c: char| c.is_ascii_digit()) {
                steps.push(line.to_owned());
            } else if let Some(step) = steps.last_mut() {
                step.push_str(line);
            }
        }
        recipes.push((title.to_owned(), steps));
    }
    recipes
}

/// The files below `src` that a recipe lists.
fn listed_sources(title: &str) -> BTreeSet<String> {
    let recipe = recipes().into_iter().find(|(name, _)| name == title);
    let (_, steps) = recipe.unwrap_or_else(|| panic!("no recipe `{title}`"));
    let files = steps.iter().flat_map(|step| files_and_names(step).0);
    files.filter(|file| file.starts_with("src/")).collect()
}

/// What a step has in backquotes: files, and names that are in these files. Commands are neither.
fn files_and_names(step: &str) -> (Vec<String>, Vec<String>) {
    step.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| !code.contains(' '))
        .map(str::to_owned)
        .partition(|code| code.contains('/'))
}

/// The path, once for each login mode if it has a placeholder.
fn instances(path: &str) -> Vec<String> {
    if !path.contains("MODE") {
        return vec![path.to_owned()];
    }
    MODES
        .iter()
        .map(|row| path.replace("MODE", row.name))
        .collect()
}

/// The files of the program whose code fits, without comments and tests.
fn sources_that(fits: impl Fn(&str) -> bool) -> BTreeSet<String> {
    files_in(&repository().join("src"), "rs")
        .into_iter()
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "tests"))
        .filter(|path| fits(&code(path)))
        .map(|path| {
            let path = path.strip_prefix(repository()).expect("it is below");
            path.display().to_string().replace('\\', "/")
        })
        .collect()
}

/// A file's code up to its tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("source text");
    let tests = text.match_indices("#[cfg(test)]\nmod ").find(|(at, _)| {
        text[*at..]
            .lines()
            .nth(1)
            .is_some_and(|line| line.ends_with('{'))
    });
    text[..tests.map_or(text.len(), |(at, _)| at)]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect()
}
