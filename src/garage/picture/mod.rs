//! The picture of a car as it stands: which layers of the cloud's package show it, and the picture drawn from them.
//!
//! Pure; drawing takes long enough to be done off the async threads, which the [`painter`] does.

pub mod painter;

use std::io::{Cursor, Read};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageFormat, ImageReader, Limits, Rgba, RgbaImage};
use zip::ZipArchive;

use crate::vehicle::state::Part;
use crate::vehicle::{Reading, VehicleState};

/// The layer that gives the picture its size, and without which there is none.
const BODY: &str = "carpic_body";
/// A layer is far smaller; what claims to be larger is not looked at.
const LARGEST_LAYER: u64 = 16 * 1024 * 1024;
/// Most pixels along either side.
const LONGEST_SIDE: u32 = 4_096;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The package is not a readable ZIP archive.
    #[error("the package of layers cannot be read: {0}")]
    Package(#[from] zip::result::ZipError),
    /// The body is not among the layers.
    #[error("the package of layers has no {BODY}")]
    NoBody,
    /// A layer cannot be unpacked.
    #[error("a layer of the picture cannot be unpacked: {0}")]
    Layer(#[from] std::io::Error),
    /// A layer is not a readable PNG, or the picture cannot be written as one.
    #[error("a layer of the picture cannot be used: {0}")]
    Image(#[from] image::ImageError),
}

/// The layers that show a car, from bottom to top. Without a state everything is closed. The package is drawn for cars
/// with the wheel on the left.
pub fn layers(state: Option<&VehicleState>) -> Vec<&'static str> {
    let Some(state) = state else {
        return vec![
            "carpic_rightbehind_close",
            "carpic_rightfront_close",
            BODY,
            "carpic_hood_close",
            "carpic_leftbehind_close",
            "carpic_leftfront_close",
            "carpic_leftbehind_window_close",
            "carpic_leftfront_window_close",
        ];
    };
    let is_open = |part| state.openings.parts.get(&part) == Some(&true);
    let door = |part, open, closed| Some(if is_open(part) { open } else { closed });
    // A window's layer shows the pane, which is there as long as the window is not known to be open.
    let pane = |part, position, layer| {
        let lowered = state.frame.number(position).is_some_and(|percent| percent > 0.0);
        (!lowered && !is_open(part)).then_some(layer)
    };
    let (flap, cable) = match (state.charging.charging, state.charging.plugged) {
        (Some(true), _) => (Some("carpic_charge_open"), Some("carpic_charge2")),
        (_, Some(true)) => (Some("carpic_charge_open"), Some("carpic_charge1")),
        _ => (None, None),
    };
    [
        is_open(Part::Trunk).then_some("carpic_tailgate_open"),
        door(
            Part::DoorRearRight,
            "carpic_rightbehind_open",
            "carpic_rightbehind_close",
        ),
        door(
            Part::DoorFrontRight,
            "carpic_rightfront_open",
            "carpic_rightfront_close",
        ),
        Some(BODY),
        Some("carpic_hood_close"),
        door(Part::DoorRearLeft, "carpic_leftbehind_open", "carpic_leftbehind_close"),
        door(Part::DoorFrontLeft, "carpic_leftfront_open", "carpic_leftfront_close"),
        pane(
            Part::WindowFrontLeft,
            Reading::WindowFrontLeftPosition,
            "carpic_leftfront_window_close",
        ),
        pane(
            Part::WindowRearLeft,
            Reading::WindowRearLeftPosition,
            "carpic_leftbehind_window_close",
        ),
        flap,
        cable,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Draws the layers of a package over each other, as a PNG. A layer that is missing is left out.
pub fn draw(package: &[u8], layers: &[&str]) -> Result<Vec<u8>, PictureError> {
    let canvas = compose(package, layers)?;
    let mut png = Vec::new();
    canvas.write_with_encoder(PngEncoder::new_with_quality(
        &mut png,
        CompressionType::Default,
        FilterType::Adaptive,
    ))?;
    Ok(png)
}

fn compose(package: &[u8], layers: &[&str]) -> Result<RgbaImage, PictureError> {
    let mut archive = ZipArchive::new(Cursor::new(package))?;
    let body = layer(&mut archive, BODY)?.ok_or(PictureError::NoBody)?;
    let mut canvas = RgbaImage::new(body.width(), body.height());
    for name in layers {
        // All layers of a package have the size of the body.
        if let Some(layer) = layer(&mut archive, name)?.filter(|layer| layer.dimensions() == canvas.dimensions()) {
            for (below, above) in canvas.pixels_mut().zip(layer.pixels()) {
                *below = over(*below, *above);
            }
        }
    }
    Ok(canvas)
}

/// A translucent pixel over another, rounded; the library's own way of doing it cuts off and darkens with every layer.
fn over(below: Rgba<u8>, above: Rgba<u8>) -> Rgba<u8> {
    let [.., below_alpha] = below.0.map(u32::from);
    let [.., above_alpha] = above.0.map(u32::from);
    // Weights and their sum in units of 1/255².
    let above_weight = above_alpha * 255;
    let below_weight = below_alpha * (255 - above_alpha);
    let sum = above_weight + below_weight;
    if sum == 0 {
        return below;
    }
    let mixed = |channel: usize| {
        let parts = u32::from(above.0[channel]) * above_weight + u32::from(below.0[channel]) * below_weight;
        rounded(parts, sum)
    };
    Rgba([mixed(0), mixed(1), mixed(2), rounded(sum, 255)])
}

/// A quotient that is at most 255.
fn rounded(dividend: u32, divisor: u32) -> u8 {
    u8::try_from((dividend + divisor / 2) / divisor).unwrap_or(u8::MAX)
}

/// A layer by its name, in whatever folder it lies.
fn layer(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<RgbaImage>, PictureError> {
    let file = format!("{name}.png");
    let found = archive
        .file_names_raw()
        .position(|path| path.rsplit(|byte| *byte == b'/').next() == Some(file.as_bytes()));
    let Some(index) = found else { return Ok(None) };
    let mut bytes = Vec::new();
    archive.by_index(index)?.take(LARGEST_LAYER).read_to_end(&mut bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    reader.limits(limits);
    Ok(Some(reader.decode()?.into_rgba8()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::cloud::signals;
    use crate::vehicle::Model;
    use crate::vehicle::derive::{self, Memory};

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/data/protocol/vectors.json")).unwrap()
    }

    fn package(vectors: &Value) -> Vec<u8> {
        let text = vectors["car_image"]["package_zip_base64"].as_str().unwrap();
        STANDARD.decode(text).unwrap()
    }

    fn state(vectors: &Value, name: &str) -> VehicleState {
        let status = vectors["status"]
            .as_array()
            .unwrap()
            .iter()
            .find(|status| status["name"] == name);
        let status = status.expect(name);
        let frame = signals::decode(&status["payload"]);
        let model = Model::parse(status["car_type"].as_str().unwrap());
        let now = frame.vehicle_time.unwrap_or(Timestamp::UNIX_EPOCH);
        derive::derive(&frame, &model, &Memory::default(), now).0
    }

    #[test]
    fn layers_and_pixels_are_as_recorded() {
        let vectors = vectors();
        let package = package(&vectors);
        let cases = vectors["car_image"]["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let name = &case["status"];
            let state = name.as_str().map(|name| state(&vectors, name));
            let layers = layers(state.as_ref());
            let files: Vec<String> = layers.iter().map(|layer| format!("{layer}.png")).collect();
            assert_eq!(Value::from(files), case["layers"], "{name}");
            let canvas = compose(&package, &layers).unwrap();
            assert_eq!(hex::encode(canvas.as_raw()), case["rgba_hex"], "{name}");

            let png = draw(&package, &layers).unwrap();
            let read = image::load_from_memory(&png).unwrap();
            assert_eq!(read.into_rgba8(), canvas, "{name}");
        }
    }

    #[test]
    fn a_package_that_is_none_is_an_error_and_not_a_panic() {
        let whole = package(&vectors());
        let layers = layers(None);
        assert!(matches!(draw(b"", &layers), Err(PictureError::Package(_))));
        for length in (0..whole.len()).step_by(97) {
            assert!(draw(&whole[..length], &layers).is_err(), "{length}");
        }
        for position in (0..whole.len()).step_by(61) {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x55;
            // Whether the damage hits anything that matters is not the point.
            let _ = draw(&damaged, &layers);
        }
    }

    #[test]
    fn a_package_without_the_body_gives_no_picture() {
        // An empty archive.
        let empty = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
        assert!(matches!(draw(&empty, &layers(None)), Err(PictureError::NoBody)));
    }
}
