//! Physical quantities as types of their own. They are converted once, where a value enters or leaves the program.

macro_rules! unit {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl From<$name> for f64 {
            fn from(quantity: $name) -> f64 {
                quantity.0
            }
        }
    )*};
}

unit! {
    /// A share of a whole, 0 to 100.
    Percent,
    /// Distance in kilometres.
    Kilometers,
    /// Speed in km/h.
    KilometersPerHour,
    /// Temperature in °C.
    Celsius,
    /// Pressure in bar.
    Bar,
    /// Power in kW; for the battery positive means discharge.
    Kilowatts,
    /// Power in W.
    Watts,
    /// Energy in kWh.
    KilowattHours,
    /// Volume in litres.
    Liters,
    /// Duration in minutes.
    Minutes,
    /// Fuel consumption in l/100 km.
    LitersPer100Kilometers,
}

/// Rounds to `digits` decimals, half away from zero.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
