use std::mem;

/// What one read brought: the decoder takes frames from its front and unmasks them in place.
///
/// The bytes stay in the caller's scratch buffer; messages that lie in them whole are borrowed from there.
#[derive(Debug)]
pub struct Input<'i> {
    bytes: &'i mut [u8],
}

impl<'i> Input<'i> {
    /// All of `bytes` has been read and none of it decoded.
    pub fn new(bytes: &'i mut [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything has been taken.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes not taken yet.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What has not been taken yet.
    pub fn peek(&self) -> &[u8] {
        self.bytes
    }

    /// Takes `len` bytes from the front, or all if there are fewer.
    pub(crate) fn take(&mut self, len: usize) -> &'i mut [u8] {
        let bytes = mem::take(&mut self.bytes);
        let (front, rest) = bytes.split_at_mut(len.min(bytes.len()));
        self.bytes = rest;
        front
    }

    pub(crate) fn clear(&mut self) {
        self.bytes = &mut [];
    }
}
