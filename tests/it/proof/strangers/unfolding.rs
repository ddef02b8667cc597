//! A small file with much sound.

/// A FLAC of eight channels at 192 kHz whose blocks repeat one value: 440 take 15 kB for two and a half minutes, 230 million
/// samples.
pub(crate) fn unfolding_flac(blocks: u32, value: u16) -> Vec<u8> {
    const BLOCK: u16 = u16::MAX;
    let mut bytes = b"fLaC\x80\0\0\x22".to_vec();
    // Block sizes, no frame sizes, then 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of samples; no MD5.
    bytes.extend(BLOCK.to_be_bytes());
    bytes.extend(BLOCK.to_be_bytes());
    bytes.extend([0; 6]);
    let samples = u64::from(BLOCK) * u64::from(blocks);
    bytes.extend((192_000_u64 << 44 | 7 << 41 | 15 << 36 | samples).to_be_bytes());
    bytes.extend([0; 16]);
    for number in 0..blocks {
        // A fixed block size of 16 bits, the rate and the depth of the stream, eight channels.
        let mut frame = vec![0xff, 0xf8, 0x70, 0x70];
        match u8::try_from(number).ok().filter(u8::is_ascii) {
            Some(number) => frame.push(number),
            None => frame.extend([0xc0 | (number >> 6) as u8, 0x80 | (number & 0x3f) as u8]),
        }
        frame.extend((BLOCK - 1).to_be_bytes());
        frame.push(crc(8, 0x07, &frame) as u8);
        for _ in 0..8 {
            // One constant value.
            frame.push(0);
            frame.extend(value.to_be_bytes());
        }
        frame.extend(crc(16, 0x8005, &frame).to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

/// A cyclic redundancy check of 8 or 16 bits, most significant bit first, from nought.
fn crc(bits: u32, polynomial: u16, bytes: &[u8]) -> u16 {
    let top = 1_u16 << (bits - 1);
    let mut rest = 0_u16;
    for byte in bytes {
        rest ^= u16::from(*byte) << (bits - 8);
        for _ in 0..8 {
            rest = if rest & top == 0 {
                rest << 1
            } else {
                rest << 1 ^ polynomial
            };
        }
    }
    if bits == 8 { rest & 0xff } else { rest }
}
