/// Masks or unmasks `payload` with `key`; `offset` is how many bytes of the frame's payload came before.
pub(crate) fn apply(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let [a, b, c, d] = rotated(key, offset);
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, tail) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

fn rotated(mut key: [u8; 4], offset: u64) -> [u8; 4] {
    key.rotate_left((offset % 4) as usize);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rfcs_hello_is_masked() {
        let mut payload = *b"Hello";
        apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    proptest! {
        #[test]
        fn every_byte_meets_its_own_key_byte(
            payload in proptest::collection::vec(any::<u8>(), 0..100), key in any::<[u8; 4]>(), cut in any::<prop::sample::Index>(),
        ) {
            let expected: Vec<u8> = payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let cut = cut.index(payload.len() + 1);
            let mut masked = payload;
            let (front, back) = masked.split_at_mut(cut);
            apply(front, key, 0);
            apply(back, key, cut as u64);
            prop_assert_eq!(masked, expected);
        }
    }
}
