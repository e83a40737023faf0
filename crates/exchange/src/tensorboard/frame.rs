//! TensorFlow's record files: length, its checksum, data, its checksum. Checksums are CRC-32C,
//! rotated and shifted so that files within files do not confuse them.

const MASK: u32 = 0xa282_ead8;

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK)
}

/// Adds a frame around data.
pub(super) fn append(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(&length).to_le_bytes());
    file.extend(data);
    file.extend(masked(data).to_le_bytes());
}

/// Whether bytes have a checksum. A fuzzer cannot find one, so that for it all fit.
fn fits(bytes: &[u8], checksum: [u8; 4]) -> bool {
    cfg!(fuzzing) || masked(bytes).to_le_bytes() == checksum
}

/// Splits off the first frame's length where its checksum is right.
fn length(file: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    fits(length, *checksum).then_some(())?;
    Some((usize::try_from(u64::from_le_bytes(*length)).ok()?, rest))
}

/// Whether bytes begin as a record file does.
pub(super) fn is_framed(file: &[u8]) -> bool {
    let first = file.split_first_chunk::<8>();
    first.is_some_and(|(length, rest)| rest.starts_with(&masked(length).to_le_bytes()))
}

/// The data of each frame. A frame that is not there to its end is left out: the file is still
/// being written.
pub(super) fn split(mut file: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut frames = Vec::new();
    while file.len() >= 12 {
        let damaged = || format!("is damaged after {} records", frames.len());
        let (length, rest) = length(file).ok_or_else(damaged)?;
        let Some(end) = length.checked_add(4).filter(|end| *end <= rest.len()) else { break };
        let (data, checksum) = rest[..end].split_at(length);
        if !checksum.try_into().is_ok_and(|checksum| fits(data, checksum)) {
            return Err(damaged());
        }
        frames.push(data);
        file = &rest[end..];
    }
    Ok(frames)
}
