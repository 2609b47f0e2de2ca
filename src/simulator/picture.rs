//! The picture package of a car: a ZIP of PNG layers of equal size that add up to a live picture.
//!
//! The layers are drawn from a few shapes in colours of the model. Both formats are written without compression, which
//! keeps this file free of libraries; four colours per layer keep the files small.

use super::car::profile::CarKind;

const WIDTH: usize = 360;
const HEIGHT: usize = 200;

/// Folder of the layers inside the package.
const FOLDER: &str = "android/xxhdpi/";

/// Pictures of the charging animation run from `carpic_charge2` to this one.
const LAST_CHARGE_FRAME: usize = 15;

/// One colour out of the palette of a layer; 0 is transparent.
type Ink = u8;
const PAINT: Ink = 1;
const GLASS: Ink = 2;
const DARK: Ink = 3;

#[derive(Clone, Copy)]
enum Shape {
    /// Left, top, width, height.
    Box(usize, usize, usize, usize),
    /// Centre and radii.
    Oval(usize, usize, usize, usize),
}

use Shape::{Box, Oval};

/// A car seen from its left: every layer with its shapes, painted in this order.
const LAYERS: &[(&str, &[(Shape, Ink)])] = &[
    (
        "carpic_body",
        &[
            (Oval(180, 96, 104, 56), PAINT),
            (Box(24, 96, 312, 48), PAINT),
            (Oval(180, 92, 88, 42), GLASS),
            (Box(24, 104, 312, 40), PAINT),
            (Oval(86, 146, 28, 28), DARK),
            (Oval(274, 146, 28, 28), DARK),
        ],
    ),
    ("carpic_hood_close", &[(Box(26, 98, 70, 8), PAINT)]),
    ("carpic_tailgate_open", &[(Box(300, 40, 12, 60), PAINT)]),
    ("carpic_rightbehind_close", &[(Box(190, 106, 60, 4), DARK)]),
    ("carpic_rightbehind_open", &[(Box(190, 30, 50, 14), PAINT)]),
    ("carpic_rightfront_close", &[(Box(120, 106, 60, 4), DARK)]),
    ("carpic_rightfront_open", &[(Box(120, 30, 50, 14), PAINT)]),
    (
        "carpic_leftbehind_close",
        &[(Box(188, 104, 2, 38), DARK), (Box(236, 112, 12, 4), DARK)],
    ),
    ("carpic_leftbehind_open", &[(Box(188, 160, 60, 34), PAINT)]),
    (
        "carpic_leftfront_close",
        &[(Box(118, 104, 2, 38), DARK), (Box(166, 112, 12, 4), DARK)],
    ),
    ("carpic_leftfront_open", &[(Box(118, 160, 60, 34), PAINT)]),
    ("carpic_leftfront_window_close", &[(Box(124, 66, 56, 34), GLASS)]),
    ("carpic_leftbehind_window_close", &[(Box(186, 66, 50, 34), GLASS)]),
    ("carpic_charge_open", &[(Box(318, 106, 12, 12), DARK)]),
    ("carpic_charge1", &[(Box(330, 110, 30, 4), DARK)]),
    (
        "carpic_for_tripsum",
        &[
            (Oval(180, 96, 104, 56), PAINT),
            (Box(24, 96, 312, 48), PAINT),
            (Oval(180, 92, 88, 42), GLASS),
            (Box(24, 104, 312, 40), PAINT),
            (Oval(86, 146, 28, 28), DARK),
            (Oval(274, 146, 28, 28), DARK),
        ],
    ),
];

/// The package key of a model.
pub fn key(kind: CarKind) -> String {
    format!("pk_{}_blue_0001", kind.model().to_lowercase())
}

/// The package under a key.
pub fn package(key: &str) -> Option<Vec<u8>> {
    let paint = match key {
        "pk_t03_blue_0001" => [90, 170, 220],
        "pk_b10_blue_0001" => [60, 110, 190],
        "pk_c10_blue_0001" => [40, 70, 140],
        _ => return None,
    };
    let palette = [paint, [190, 215, 230], [35, 40, 48]];
    let mut files: Vec<(String, Vec<u8>)> = LAYERS
        .iter()
        .map(|(name, shapes)| (format!("{FOLDER}{name}.png"), png(shapes, palette)))
        .collect();
    for frame in 2..=LAST_CHARGE_FRAME {
        // A bar that grows along the cable.
        let bar = [(Box(330, 110, 30, 4), DARK), (Box(330, 110, 2 * (frame - 1), 4), GLASS)];
        files.push((format!("{FOLDER}carpic_charge{frame}.png"), png(&bar, palette)));
    }
    Some(zip(&files))
}

impl Shape {
    fn covers(self, x: usize, y: usize) -> bool {
        match self {
            Box(left, top, width, height) => (left..left + width).contains(&x) && (top..top + height).contains(&y),
            Oval(centre_x, centre_y, radius_x, radius_y) => {
                let across = x.abs_diff(centre_x) as f64 / radius_x as f64;
                let down = y.abs_diff(centre_y) as f64 / radius_y as f64;
                across.hypot(down) <= 1.0
            }
        }
    }
}

/// A PNG with two bits per pixel, whose first colour is transparent.
fn png(shapes: &[(Shape, Ink)], palette: [[u8; 3]; 3]) -> Vec<u8> {
    const PIXELS_PER_BYTE: usize = 4;
    let mut rows = Vec::with_capacity(HEIGHT * (1 + WIDTH / PIXELS_PER_BYTE));
    for y in 0..HEIGHT {
        rows.push(0); // no filter
        rows.extend((0..WIDTH / PIXELS_PER_BYTE).map(|byte| {
            (0..PIXELS_PER_BYTE).fold(0, |bits, pixel| {
                let x = byte * PIXELS_PER_BYTE + pixel;
                let ink = shapes.iter().rev().find(|(shape, _)| shape.covers(x, y));
                bits << 2 | ink.map_or(0, |(_, ink)| *ink)
            })
        }));
    }
    let mut header = Vec::new();
    header.extend(big_endian(WIDTH));
    header.extend(big_endian(HEIGHT));
    header.extend([2, 3, 0, 0, 0]); // two bits, palette, deflate, no filter method, not interlaced
    let mut colours = vec![0, 0, 0];
    colours.extend(palette.concat());
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [
        (b"IHDR", header),
        (b"PLTE", colours),
        (b"tRNS", vec![0]),
        (b"IDAT", zlib_stored(&rows)),
        (b"IEND", Vec::new()),
    ] {
        let mut chunk = kind.to_vec();
        chunk.extend(&data);
        file.extend(big_endian(data.len()));
        file.extend(&chunk);
        file.extend(crc32(&chunk).to_be_bytes());
    }
    file
}

/// A zlib stream whose blocks are stored as they are.
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 65_535;
    let mut stream = vec![0x78, 0x01];
    let blocks = data.len().div_ceil(BLOCK);
    for (index, block) in data.chunks(BLOCK).enumerate() {
        let length = block.len() as u16; // at most BLOCK
        stream.push(u8::from(index + 1 == blocks));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

/// A ZIP of files stored as they are.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    const VERSION: [u8; 2] = [20, 0];
    // Flags, method, time and date: stored, at the first moment the format knows.
    const PLAIN: [u8; 8] = [0, 0, 0, 0, 0, 0, 0x21, 0];
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, data) in files {
        let mut common = Vec::new();
        common.extend(VERSION);
        common.extend(PLAIN);
        common.extend(crc32(data).to_le_bytes());
        common.extend(little_endian(data.len()));
        common.extend(little_endian(data.len()));
        common.extend(&little_endian(name.len())[..2]);
        common.extend([0, 0]); // no extra field
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION);
        directory.extend(&common);
        directory.extend([0; 10]); // no comment, first disk, no attributes
        directory.extend(little_endian(archive.len()));
        directory.extend(name.as_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(data);
    }
    let start = archive.len();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(&little_endian(files.len())[..2]);
    archive.extend(&little_endian(files.len())[..2]);
    archive.extend(little_endian(directory.len()));
    archive.extend(little_endian(start));
    archive.extend([0, 0]); // no comment
    archive
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

/// Sizes here stay far below 4 GiB.
fn big_endian(number: usize) -> [u8; 4] {
    (number as u32).to_be_bytes()
}

fn little_endian(number: usize) -> [u8; 4] {
    (number as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_formats() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert!(zlib_stored(b"Wikipedia").ends_with(&0x11E6_0398_u32.to_be_bytes()));
    }

    #[test]
    fn every_model_has_a_package_with_all_layers() {
        for kind in [CarKind::T03, CarKind::B10, CarKind::C10, CarKind::C10Reev] {
            let package = package(&key(kind)).unwrap();
            assert!(package.starts_with(b"PK\x03\x04"));
            for name in ["carpic_body.png", "carpic_for_tripsum.png", "carpic_charge15.png"] {
                let name = format!("{FOLDER}{name}");
                assert!(
                    package.windows(name.len()).any(|window| window == name.as_bytes()),
                    "{name}"
                );
            }
        }
        assert!(package("pk_unknown").is_none());
    }
}
