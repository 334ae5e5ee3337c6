//! Arguments of the stand-ins: words, then flags with values.

/// A command line, taken apart.
pub(super) struct Arguments {
    pub(super) words: Vec<String>,
    flags: Vec<(String, Vec<String>)>,
}

impl Arguments {
    /// Takes `args` apart. `switches` take no value; every other flag takes the words up to the next.
    pub(super) fn read(args: &[String], switches: &[&str]) -> Self {
        let mut arguments = Arguments {
            words: Vec::new(),
            flags: Vec::new(),
        };
        let mut open = false;
        for argument in args {
            if argument.starts_with('-') && argument.len() > 1 {
                let (name, value) = match argument.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (argument.as_str(), None),
                };
                open = value.is_none() && !switches.contains(&name);
                arguments
                    .flags
                    .push((name.to_owned(), value.into_iter().collect()));
            } else if let Some((_, values)) = arguments.flags.last_mut().filter(|_| open) {
                values.push(argument.clone());
            } else {
                arguments.words.push(argument.clone());
            }
        }
        arguments
    }

    /// Every value of a flag by any of its names.
    pub(super) fn values(&self, names: &[&str]) -> Vec<&str> {
        let named = self
            .flags
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        named
            .flat_map(|(_, values)| values.iter().map(String::as_str))
            .collect()
    }

    /// The last value of a flag.
    pub(super) fn value(&self, names: &[&str]) -> Option<&str> {
        self.values(names).last().copied()
    }

    /// Whether a switch is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| flag == name)
    }

    /// The first flag that is none of these.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.flags
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|name| !known.contains(name))
    }

    /// The first of these flags that came without a value.
    pub(super) fn without_value(&self, names: &[&str]) -> Option<&str> {
        self.flags
            .iter()
            .find(|(name, values)| names.contains(&name.as_str()) && values.is_empty())
            .map(|(name, _)| name.as_str())
    }
}
