//! Remembers which contexts were used, the last one first.

use serde::{Deserialize, Serialize};

use crate::{
    auth::store,
    host::{Host, private_directory::PrivateDirectory},
};

/// The file in the directory of the token cache.
const NAME: &str = "used.json";
/// How many contexts are remembered.
const LIMIT: usize = 100;

/// A context, as it was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) context: String,
    /// The namespace that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
}

/// The contexts that were used.
pub(crate) struct Recent {
    directory: Option<PrivateDirectory>,
    used: Vec<Used>,
}

impl Recent {
    /// Reads them. What can't be read is nothing.
    pub(crate) fn read(host: &Host) -> Self {
        let directory = store::location(host, None, false).ok();
        let directory = directory.map(|path| PrivateDirectory::new(path, "the cache directory"));
        let bytes = directory
            .as_ref()
            .and_then(|directory| directory.read(NAME));
        let used = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            directory,
            used: used.unwrap_or_default(),
        }
    }

    /// The last ones first.
    pub(crate) fn used(&self) -> &[Used] {
        &self.used
    }

    /// The one before: the last one other than `current`.
    pub(crate) fn before(&self, current: Option<&str>) -> Option<&Used> {
        let mut used = self.used.iter();
        used.find(|one| Some(one.context.as_str()) != current)
    }

    /// Forgets them.
    pub(crate) fn clear(&self) {
        if let Some(directory) = &self.directory {
            directory.remove(NAME);
        }
    }

    /// Adds one. If it can't be written, it is not remembered.
    pub(crate) fn add(mut self, used: Used) {
        self.used.retain(|one| one.context != used.context);
        self.used.insert(0, used);
        self.used.truncate(LIMIT);
        if let Some(directory) = &self.directory {
            let bytes = serde_json::to_vec(&self.used).expect("it is plain data");
            let _ = directory.write(NAME, &bytes, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_before_is_the_last_other_one() {
        let home = tempfile::tempdir().expect("a directory");
        let host = Host::with_env([("HOME", home.path())]);
        let read = || Recent::read(&host);
        assert_eq!(read().before(None), None);
        for context in ["a", "b", "a", "c"] {
            read().add(Used {
                context: context.to_owned(),
                namespace: Some(context.to_uppercase()),
            });
        }
        let before = |current| read().before(current).map(|one| one.context.clone());
        assert_eq!(before(None).as_deref(), Some("c"));
        assert_eq!(before(Some("c")).as_deref(), Some("a"));
        assert_eq!(before(Some("a")).as_deref(), Some("c"));
        assert_eq!(read().used().len(), 3);
    }
}
