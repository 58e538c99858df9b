use smol_str::SmolStr;

/// The 64 characters of short ids.
const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An id of a node or request in the classic format: six characters, made of random bytes.
pub fn short_id(random: [u8; 6]) -> SmolStr {
    random.iter().map(|byte| char::from(CHARACTERS[usize::from(byte % 64)])).collect()
}

/// An id of a node or request in the other formats: 16 hexadecimal digits, made of random bytes.
pub fn long_id(random: [u8; 8]) -> SmolStr {
    format!("{:016x}", u64::from_be_bytes(random)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_node_s_forms() {
        assert_eq!(short_id([0, 25, 63, 64, 255, 128]), "AZ_A_A");
        assert_eq!(long_id([0, 1, 0xab, 0xff, 0, 0, 0, 9]), "0001abff00000009");
    }
}
