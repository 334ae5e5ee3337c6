//! The form of the file of kept answers, and its limits.

use std::{cmp::Reverse, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::{Described, KeptAnswer, Key};
use crate::{azure::Cloud, kubeconfig::user::KeptKubeconfig};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The largest file that is read or written, in bytes. 2,000 clusters have about 6 MB.
pub(super) const FILE_LIMIT: u64 = 64 << 20;
/// The largest answer that is kept, in bytes. One has about 3 KB.
const ANSWER_LIMIT: usize = 64 << 10;
/// How much is kept: the size of all answers, in bytes, with their descriptions.
const SIZE_LIMIT: usize = 32 << 20;
/// The size of an answer's description and the names of its fields, at most, in bytes.
const DESCRIPTION_SIZE: usize = 1 << 10;
/// How long an answer is kept for a cluster that no listing has, in seconds.
const UNSEEN_LIFE: i64 = 90 * 24 * 3600;

/// The answers of a cloud.
pub(super) type Answers = HashMap<Key, KeptAnswer>;

/// The file, with the cloud whose answers it has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    arm: String,
    authority: String,
    answers: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    id: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    public_fqdn: bool,
    asked: i64,
    seen: i64,
    described: Described,
    kubeconfig: KeptKubeconfig,
}

/// Reads a file.
///
/// # Errors
/// What it is, if it is not a file of this version for this cloud. Nothing of it is quoted.
pub(super) fn decode(bytes: &[u8], cloud: &Cloud) -> Result<Answers, &'static str> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|_| "damaged, or of another version")?;
    if document.version != VERSION {
        return Err("of another version");
    }
    if document.arm != cloud.arm.as_str() || document.authority != cloud.authority.as_str() {
        return Err("of another cloud");
    }
    let answers = document.answers.into_iter();
    let answers = answers.map(|record| {
        let key = Key {
            id: record.id,
            public_fqdn: record.public_fqdn,
        };
        let answer = KeptAnswer {
            described: record.described,
            asked: record.asked,
            seen: record.seen,
            kubeconfig: record.kubeconfig,
        };
        (key, answer)
    });
    Ok(answers.collect())
}

/// The file with these answers, less those that are of no more use at `now` (Unix seconds) or too much.
pub(super) fn encode(answers: Answers, cloud: &Cloud, now: i64) -> Vec<u8> {
    let mut kept: Vec<_> = answers
        .into_iter()
        .filter(|(_, answer)| now.saturating_sub(answer.seen) < UNSEEN_LIFE)
        .filter(|(_, answer)| answer.kubeconfig.size() <= ANSWER_LIMIT)
        .collect();
    kept.sort_unstable_by(|(a, one), (b, other)| {
        (Reverse(one.seen), a).cmp(&(Reverse(other.seen), b))
    });
    let mut size = 0;
    let records = kept.into_iter().take_while(|(_, answer)| {
        size += answer.kubeconfig.size() + DESCRIPTION_SIZE;
        size <= SIZE_LIMIT
    });
    let records = records.map(|(key, answer)| Record {
        id: key.id,
        public_fqdn: key.public_fqdn,
        asked: answer.asked,
        seen: answer.seen,
        described: answer.described,
        kubeconfig: answer.kubeconfig,
    });
    let document = Document {
        version: VERSION,
        arm: cloud.arm.to_string(),
        authority: cloud.authority.to_string(),
        answers: records.collect(),
    };
    serde_json::to_vec(&document).expect("it is plain data")
}
