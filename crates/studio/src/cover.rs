//! Draws the cover of a track: a small picture that depends on the track's id alone. Pure.

use std::f64::consts::TAU;
use std::fmt::Write;

/// Width and height in pixels; the drawing is scalable.
const SIZE: f64 = 512.0;
/// Rays around the record.
const RAYS: usize = 48;

/// Draws a record with rays as an SVG; equal ids give equal drawings.
pub(crate) fn draw(id: &[u8; 16]) -> String {
    let noise = blake3::hash(id);
    let noise = noise.as_bytes();
    let hue = u32::from(noise[0]) * 360 / 256;
    let other_hue = (hue + 40 + u32::from(noise[1]) * 160 / 256) % 360;
    let centre = SIZE / 2.0;
    let mut rays = String::new();
    for ray in 0..RAYS {
        let angle = TAU * ray as f64 / RAYS as f64;
        // Neighbouring bytes are blended, so that the outline is smooth.
        let (here, next) = (noise[ray % 32], noise[(ray + 1) % 32]);
        let length = 30.0 + 90.0 * (f64::from(here) + f64::from(next)) / 510.0;
        let (sin, cos) = angle.sin_cos();
        // Writing to a string can't fail.
        let _ = write!(
            rays,
            "M{:.1} {:.1}L{:.1} {:.1}",
            centre + 110.0 * cos,
            centre + 110.0 * sin,
            centre + (110.0 + length) * cos,
            centre + (110.0 + length) * sin
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIZE} {SIZE}\" width=\"{SIZE}\" height=\"{SIZE}\">\
         <defs><linearGradient id=\"g\" x2=\"1\" y2=\"1\"><stop stop-color=\"hsl({hue} 60% 28%)\"/>\
         <stop offset=\"1\" stop-color=\"hsl({other_hue} 65% 45%)\"/></linearGradient></defs>\
         <rect width=\"100%\" height=\"100%\" fill=\"url(#g)\"/>\
         <path d=\"{rays}\" stroke=\"#fff\" stroke-opacity=\".75\" stroke-width=\"7\" stroke-linecap=\"round\"/>\
         <circle cx=\"{centre}\" cy=\"{centre}\" r=\"92\" fill=\"#111\"/>\
         <circle cx=\"{centre}\" cy=\"{centre}\" r=\"34\" fill=\"hsl({other_hue} 70% 60%)\"/>\
         <circle cx=\"{centre}\" cy=\"{centre}\" r=\"6\" fill=\"#111\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_decides_its_cover() {
        assert_eq!(draw(&[7; 16]), draw(&[7; 16]));
        assert_ne!(draw(&[7; 16]), draw(&[8; 16]));
        assert!(draw(&[0; 16]).starts_with("<svg xmlns=") && draw(&[0; 16]).ends_with("</svg>"));
    }
}
