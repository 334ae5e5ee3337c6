//! Names the kubeconfig of one cluster after its context, so that every file system can hold it.

/// The most bytes of a name that are kept, of its start and of its end, which may be a number. File systems allow 255.
const START: usize = 150;
const END: usize = 40;

/// What an unsafe name gets before it.
const PREFIX: &str = "aks-";

/// The names of Windows devices, whatever follows after a dot ("Naming Files, Paths, and Namespaces").
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Those that a digit follows.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// A context's name as a file's name, without `.yaml`: ASCII letters, digits, `-`, `_` and `.`, a letter or digit or `_`
/// at its start, and no name of a device.
pub(crate) fn file_stem(context: &str) -> String {
    let mut stem = String::new();
    for c in context.chars() {
        match c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            true => stem.push(c),
            false if stem.ends_with('-') => {}
            false => stem.push('-'),
        }
    }
    if stem.is_empty() || stem.starts_with(['-', '.']) || is_device(&stem) {
        stem.insert_str(0, PREFIX);
    }
    if stem.len() > START + END {
        stem.replace_range(START..stem.len() - END, "");
    }
    stem
}

/// What two names have in common that are one file on macOS and Windows.
pub(crate) fn file_key(context: &str) -> String {
    file_stem(context).to_ascii_lowercase()
}

fn is_device(stem: &str) -> bool {
    let name = stem.split('.').next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let has_digit = |device: &&str| {
        let rest = name.strip_prefix(*device);
        rest.is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    DEVICES.contains(&name.as_str()) || NUMBERED_DEVICES.iter().any(has_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_some_system_can_not_hold_is_changed() {
        for (context, stem) in [
            ("prod", "prod"),
            ("Prod-west_1.a", "Prod-west_1.a"),
            ("con", "aks-con"),
            ("CON.prod", "aks-CON.prod"),
            ("com1", "aks-com1"),
            ("com10", "com10"),
            ("console", "console"),
            ("..", "aks-.."),
            (".hidden", "aks-.hidden"),
            ("-f", "aks--f"),
            ("a/../b", "a-..-b"),
            ("C:\\x", "C-x"),
            ("grün", "gr-n"),
            ("", "aks-"),
        ] {
            assert_eq!(file_stem(context), stem, "{context}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_context_is_called_its_file_is_one_name(context in "\\PC{0,400}") {
            let stem = file_stem(&context);
            let first = stem.chars().next().expect("not empty");
            prop_assert!(first.is_ascii_alphanumeric() || first == '_', "{}", stem);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            prop_assert!(stem.chars().all(plain) && stem.len() <= START + END, "{}", stem);
            prop_assert!(!is_device(&stem), "{}", stem);
            prop_assert_eq!(file_stem(&stem), stem);
        }
    }
}
