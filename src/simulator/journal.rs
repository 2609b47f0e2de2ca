//! The requests so far, for whoever tests a client.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

/// How many requests are kept.
const CAPACITY: usize = 100_000;

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub n: u64,
    /// When it came.
    pub time: Timestamp,
    /// Its path.
    pub path: String,
    /// The account it spoke for.
    pub account: Option<String>,
    /// The car it was about.
    pub vin: Option<String>,
    /// The code of the envelope, null where the answer had none.
    pub code: Option<i64>,
    /// The command id as sent, on remote control writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd_id: Option<String>,
    /// The command content as sent, on remote control writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd_content: Option<String>,
}

/// The newest requests.
#[derive(Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    count: u64,
}

impl Journal {
    /// Adds a request under the next number.
    pub fn add(&mut self, entry: Entry) {
        self.count += 1;
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { n: self.count, ..entry });
    }

    /// All requests after number `n`, oldest first.
    pub fn since(&self, n: u64) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.n > n).collect()
    }
}
