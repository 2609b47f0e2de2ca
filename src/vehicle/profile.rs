//! Model codes and what is known of each model, whatever the cloud declares for it.

use std::fmt;

use super::reading::{Frame, Reading};

/// Known codes have three or four characters.
const LONGEST_CODE: usize = 24;

/// The window positions on which cars with tenths act, in percent.
const WINDOW_STEPS: [u8; 4] = [0, 20, 50, 100];

/// The model code of the vehicle list (`cloud-api.md` 6.2), upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// Small city car; answers in named fields.
    T03,
    /// Mid-size SUV, battery or range extender.
    C10,
    /// Compact SUV, battery or range extender.
    B10,
    /// A model we have no profile for; it gets the generic one.
    Other(String),
}

impl Model {
    /// Reads a model code, ignoring case and whatever no code is made of: it becomes part of addresses and messages.
    /// `C10-REEV` and the like name the same model code as `C10`.
    pub fn parse(code: &str) -> Self {
        let is_usual = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        let code: String = code.chars().filter(is_usual).take(LONGEST_CODE).collect();
        let code = code.to_ascii_uppercase();
        match code.strip_suffix("-REEV").unwrap_or(&code) {
            "T03" => Self::T03,
            "C10" => Self::C10,
            "B10" => Self::B10,
            "" => Self::Other("UNKNOWN".to_owned()),
            other => Self::Other(other.to_owned()),
        }
    }

    /// The code as text.
    pub fn code(&self) -> &str {
        match self {
            Self::T03 => "T03",
            Self::C10 => "C10",
            Self::B10 => "B10",
            Self::Other(code) => code,
        }
    }

    /// How a window position is written in a command.
    pub fn window_scale(&self) -> WindowScale {
        match self.code() {
            "B10" | "B11" | "B05" => WindowScale::Tenths,
            _ => WindowScale::Percent,
        }
    }

    /// The window position, in percent, that the car takes for one that was asked for.
    pub fn window_position(&self, percent: u8) -> u8 {
        match self.window_scale() {
            WindowScale::Percent => percent,
            WindowScale::Tenths => WINDOW_STEPS
                .into_iter()
                .min_by_key(|step| step.abs_diff(percent))
                .unwrap_or(percent),
        }
    }

    /// Whether the reported window positions are alive. On the B10 they are always 0; the open flags are right there.
    pub fn reports_window_positions(&self) -> bool {
        self.window_scale() == WindowScale::Percent
    }

    /// Whether an open window shows in its position only, because the flag stays 0.
    pub fn window_flags_are_dead(&self) -> bool {
        matches!(self, Self::T03)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The scale of the window command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowScale {
    /// 0 to 100.
    Percent,
    /// 0 to 10.
    Tenths,
}

/// What moves the car.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Powertrain {
    /// Battery only.
    Bev,
    /// Battery with a fuel range extender.
    Reev,
}

impl Powertrain {
    /// Range-extender cars are known by their fuel level reading (`derived.md` 8).
    pub fn of(frame: &Frame) -> Self {
        if frame.raw(Reading::FuelLevelPercent).is_some() {
            Self::Reev
        } else {
            Self::Bev
        }
    }

    /// `bev` or `reev`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bev => "bev",
            Self::Reev => "reev",
        }
    }
}
