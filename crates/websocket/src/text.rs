/// Text that arrives in pieces, checked as it comes: a wrong byte is found in the piece that brings it.
#[derive(Debug, Default)]
pub(crate) struct TextBuffer {
    text: String,
    /// The beginning of a character whose end has not arrived.
    cut: [u8; 4],
    cut_len: usize,
}

/// Bytes that no text goes on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

impl TextBuffer {
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.cut_len > 0
            && let Some((&byte, rest)) = piece.split_first()
        {
            piece = rest;
            self.complete_cut(byte)?;
        }
        match simdutf8::compat::from_utf8(piece) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
            Err(error) => {
                let (whole, cut) = piece.split_at(error.valid_up_to());
                self.text.push_str(simdutf8::basic::from_utf8(whole).map_err(|_| InvalidUtf8)?);
                self.cut[..cut.len()].copy_from_slice(cut);
                self.cut_len = cut.len();
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<String, InvalidUtf8> {
        if self.cut_len == 0 { Ok(self.text) } else { Err(InvalidUtf8) }
    }

    fn complete_cut(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        self.cut[self.cut_len] = byte;
        self.cut_len += 1;
        match std::str::from_utf8(&self.cut[..self.cut_len]) {
            Ok(character) => {
                self.text.push_str(character);
                self.cut_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(pieces: &[&[u8]]) -> Result<String, InvalidUtf8> {
        let mut buffer = TextBuffer::default();
        pieces.iter().try_for_each(|piece| buffer.push(piece))?;
        buffer.finish()
    }

    #[test]
    fn a_wrong_byte_is_found_in_its_piece() {
        let mut buffer = TextBuffer::default();
        assert_eq!(buffer.push(b"\xce\xba\xf4"), Ok(()));
        assert_eq!(buffer.push(b"\x90"), Err(InvalidUtf8));
    }

    #[test]
    fn a_character_may_not_stay_cut() {
        assert_eq!(in_pieces(&[b"\xe2\x82"]), Err(InvalidUtf8));
        assert_eq!(in_pieces(&[b"\xe2", b"", b"\x82", b"\xac!"]), Ok("€!".to_owned()));
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole_is(
            bytes in prop_oneof![any::<String>().prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..8)],
            size in 1..5_usize,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(in_pieces(&pieces).ok(), String::from_utf8(bytes.clone()).ok());
        }
    }
}
