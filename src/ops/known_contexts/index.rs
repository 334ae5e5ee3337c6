//! The form of the index: a line that says of which files it is, and a line with the contexts.

use std::{collections::HashMap, hash::Hash, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Path, Role, Stamp, SyncedContext, Variables};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Index {
    files: Vec<PathBuf>,
    sign_ins: Vec<Vec<String>>,
    variables: Vec<Vec<(String, String)>>,
    contexts: Vec<Record>,
}

/// A [`SyncedContext`], with indices into the lists of the index.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(rename = "n")]
    context: String,
    #[serde(rename = "i")]
    arm_id: String,
    #[serde(rename = "a", default, skip_serializing_if = "is_default")]
    is_admin: bool,
    #[serde(rename = "m", default, skip_serializing_if = "is_default")]
    is_main: bool,
    #[serde(rename = "ns", default, skip_serializing_if = "is_default")]
    namespace: Option<String>,
    /// None if it is the context's name.
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    cluster: Option<String>,
    #[serde(rename = "u", default, skip_serializing_if = "is_default")]
    user: Option<String>,
    #[serde(rename = "s")]
    server: String,
    #[serde(rename = "l", default, skip_serializing_if = "is_default")]
    sign_in: Option<usize>,
    #[serde(rename = "v", default, skip_serializing_if = "is_default")]
    variables: Option<usize>,
    #[serde(rename = "x", default, skip_serializing_if = "is_default")]
    is_current: bool,
    #[serde(rename = "f", default, skip_serializing_if = "is_default")]
    file: usize,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The first line, with its end. It is the same only for the same files.
pub(super) fn head(stamps: &[Stamp]) -> Vec<u8> {
    let head = serde_json::json!({"version": VERSION, "of": stamps});
    let mut line = head.to_string().into_bytes();
    line.push(b'\n');
    line
}

pub(super) fn encode(contexts: &[SyncedContext], stamps: &[Stamp]) -> Vec<u8> {
    let mut files = Distinct::default();
    let mut sign_ins = Distinct::default();
    let mut variables = Distinct::default();
    let records = contexts.iter().map(|one| Record {
        context: one.context.clone(),
        arm_id: one.arm_id.clone(),
        is_admin: one.role == Role::Admin,
        is_main: one.is_main,
        namespace: one.namespace.clone(),
        cluster: Some(&one.cluster)
            .filter(|name| **name != one.context)
            .cloned(),
        user: one.user.clone(),
        server: one.server.clone(),
        sign_in: one
            .sign_in
            .as_ref()
            .map(|words| sign_ins.place(words.to_vec())),
        variables: match one.variables.is_empty() {
            true => None,
            false => Some(variables.place(one.variables.to_vec())),
        },
        is_current: one.is_current,
        file: files.place(one.file.to_path_buf()),
    });
    let contexts = records.collect();
    let index = Index {
        files: files.values,
        sign_ins: sign_ins.values,
        variables: variables.values,
        contexts,
    };
    let mut bytes = head(stamps);
    serde_json::to_writer(&mut bytes, &index).expect("it is plain data");
    bytes
}

/// The contexts, if the index is of these files.
pub(super) fn decode(bytes: &[u8], stamps: &[Stamp]) -> Option<Vec<SyncedContext>> {
    let body = bytes.strip_prefix(head(stamps).as_slice())?;
    let index: Index = serde_json::from_slice(body).ok()?;
    let files: Vec<Arc<Path>> = index.files.into_iter().map(Arc::from).collect();
    let sign_ins: Vec<Arc<[String]>> = index.sign_ins.into_iter().map(Arc::from).collect();
    let variables: Vec<Variables> = index.variables.into_iter().map(Arc::from).collect();
    let contexts = index.contexts.into_iter().map(|one| {
        Some(SyncedContext {
            cluster: one.cluster.unwrap_or_else(|| one.context.clone()),
            context: one.context,
            arm_id: one.arm_id,
            role: match one.is_admin {
                true => Role::Admin,
                false => Role::User,
            },
            is_main: one.is_main,
            namespace: one.namespace,
            user: one.user,
            server: one.server,
            sign_in: match one.sign_in {
                Some(place) => Some(Arc::clone(sign_ins.get(place)?)),
                None => None,
            },
            variables: match one.variables {
                Some(place) => Arc::clone(variables.get(place)?),
                None => Variables::default(),
            },
            is_current: one.is_current,
            file: Arc::clone(files.get(one.file)?),
        })
    });
    contexts.collect()
}

/// Values, each once.
struct Distinct<T> {
    values: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    fn place(&mut self, value: T) -> usize {
        if let Some(place) = self.places.get(&value) {
            return *place;
        }
        self.values.push(value.clone());
        self.places.insert(value, self.values.len() - 1);
        self.values.len() - 1
    }
}
