//! The software of a car and the update that is offered for it. The links to its files are signed and secret, and a
//! bridge has no use for them, so they are not read.

use jiff::Timestamp;
use serde_json::Value;

use super::error::CloudError;
use super::lenient;
use super::request::Call;
use super::session::Session;
use crate::vehicle::Vin;

const SOFTWARE: &str = "/carownerservice/oversea/hotspot/fetch";

/// The software of a car.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SoftwareInfo {
    /// Version in the car.
    pub installed: Option<String>,
    /// When it was installed.
    pub installed_at: Option<Timestamp>,
    /// An update that is offered.
    pub update: Option<SoftwareUpdate>,
}

/// An update that is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftwareUpdate {
    /// Its version.
    pub version: String,
    /// The cloud's id of it, for the commands that download and install it.
    pub task: Option<u64>,
    /// 1 is offered; other values are not documented.
    pub state: Option<i64>,
    /// Bytes of all files together.
    pub size: u64,
    /// What is new, by language.
    pub notes: Vec<ReleaseNotes>,
}

/// What is new, in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseNotes {
    /// An IETF tag such as `it-IT`.
    pub language: String,
    /// Headings and texts.
    pub items: Vec<(String, String)>,
}

impl SoftwareUpdate {
    /// What is new, in this language: by its exact tag, else for another country, else in English, else in any.
    pub fn notes_in(&self, tag: &str) -> Option<&ReleaseNotes> {
        let by = |matches: &dyn Fn(&str) -> bool| self.notes.iter().find(|notes| matches(&notes.language));
        let (language, english) = (language(tag), "en");
        by(&|found| found.eq_ignore_ascii_case(tag))
            .or_else(|| by(&|found| self::language(found).eq_ignore_ascii_case(language)))
            .or_else(|| by(&|found| self::language(found).eq_ignore_ascii_case(english)))
            .or_else(|| self.notes.first())
    }
}

/// `it` of `it-IT`.
fn language(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

impl Session {
    /// The software of a car. [`CloudError::NotPermitted`] unless the account owns it.
    pub async fn software_info(&self, vin: &Vin) -> Result<SoftwareInfo, CloudError> {
        let data = self.data(Call::form(SOFTWARE).text("vin", vin.as_str())).await?;
        let current = data.get("currentVersion");
        Ok(SoftwareInfo {
            installed: current.and_then(|current| lenient::text(current, "generalVersion")),
            installed_at: current.and_then(|current| lenient::moment(current, "time")),
            update: data.get("newVersion").and_then(update),
        })
    }
}

fn update(entry: &Value) -> Option<SoftwareUpdate> {
    let sizes = lenient::items(entry.get("updateItemList"))
        .iter()
        .filter_map(|file| u64::try_from(lenient::integer(file, "fileSize")?).ok());
    Some(SoftwareUpdate {
        version: lenient::text(entry, "generalVersion")?,
        task: lenient::integer(entry, "requestVersionId").and_then(|task| u64::try_from(task).ok()),
        state: lenient::integer(entry, "state"),
        size: sizes.fold(0, u64::saturating_add),
        notes: lenient::items(entry.get("logJsonMultiLang"))
            .iter()
            .filter_map(notes)
            .collect(),
    })
}

fn notes(entry: &Value) -> Option<ReleaseNotes> {
    let text = |item, name| lenient::text(item, name).unwrap_or_default();
    Some(ReleaseNotes {
        language: lenient::text(entry, "language")?,
        items: lenient::items(entry.get("data"))
            .iter()
            .map(|item| (text(item, "title"), text(item, "content")))
            .collect(),
    })
}
