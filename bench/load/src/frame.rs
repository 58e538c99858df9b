//! WebSocket frames, only as far as this load needs: whole ones, masked with the key 0 on the way out.

use anyhow::{Result, bail};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
}

/// The second byte's mark of a mask, and its values for a length that follows in 2 or in 8 bytes.
const MASKED: u8 = 0x80;
const MEDIUM: u8 = 126;
const LONG: u8 = 127;

/// Appends one frame whose payload is all `parts` together.
pub(crate) fn push(out: &mut Vec<u8>, opcode: Opcode, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode as u8);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..MEDIUM), _) => out.push(MASKED | short),
        (_, Ok(medium)) => {
            out.push(MASKED | MEDIUM);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(MASKED | LONG);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The first frame of `input`, if all of it is there: opcode, payload, and its length with the header.
///
/// # Errors
/// At fragments, masks, extensions and control frames other than close: no server has a reason for them here.
pub(crate) fn first(input: &[u8]) -> Result<Option<(Opcode, &[u8], usize)>> {
    let &[head, marked, ..] = input else { return Ok(None) };
    let opcode = match head {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        0x88 => Opcode::Close,
        other => bail!("unexpected first byte {other:#x} of a frame"),
    };
    let (len, start) = match marked {
        MEDIUM => match input.get(2..4) {
            Some(&[a, b]) => (usize::from(u16::from_be_bytes([a, b])), 4),
            _ => return Ok(None),
        },
        LONG => match input.get(2..10).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => (usize::try_from(u64::from_be_bytes(bytes))?, 10),
            None => return Ok(None),
        },
        128.. => bail!("the server masks its frames"),
        short => (usize::from(short), 2),
    };
    let end = start + len;
    Ok(input.get(start..end).map(|payload| (opcode, payload, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(len: usize, header: &[u8]) {
        let payload = vec![b'x'; len];
        let mut out = Vec::new();
        push(&mut out, Opcode::Text, &[&payload[..len / 2], &payload[len / 2..]]);
        assert_eq!(out[..header.len()], *header);
        assert_eq!(out[header.len()..header.len() + 4], [0; 4]);
        assert_eq!(out[header.len() + 4..], payload);

        // The same frame without its mask is what a server would send.
        let mut answer = [header, &payload].concat();
        answer[1] &= 127;
        for cut in 0..answer.len().min(20) {
            assert_eq!(first(&answer[..cut]).unwrap(), None);
        }
        assert_eq!(first(&answer).unwrap(), Some((Opcode::Text, &payload[..], answer.len())));
    }

    #[test]
    fn each_length_has_its_header() {
        check(125, &[0x81, 0xfd]);
        check(126, &[0x81, 0xfe, 0, 126]);
        check(65535, &[0x81, 0xfe, 255, 255]);
        check(65536, &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_fragment_or_a_masked_answer_is_an_error() {
        assert!(first(&[0x01, 0]).is_err());
        assert!(first(&[0x81, 0x80]).is_err());
    }
}
