//! WebSocket frames: whole ones, masked on the way in.

/// The first frame's opcode, payload and whole length, if all of it is there.
pub(crate) fn unmask(input: &mut [u8]) -> Option<(u8, &[u8], usize)> {
    let (&opcode, &marked) = (input.first()?, input.get(1)?);
    let (len, start) = match marked & 127 {
        126 => (usize::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(input.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let key: [u8; 4] = input.get(start..start + 4)?.try_into().ok()?;
    let payload = input.get_mut(start + 4..start + 4 + len)?;
    let (chunks, rest) = payload.as_chunks_mut::<4>();
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    Some((opcode & 15, payload, start + 4 + len))
}

/// Appends one frame whose payload is all `parts` together.
pub(crate) fn push(opcode: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..126), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}
