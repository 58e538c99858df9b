//! A file of the client, and how to find it.

use std::{
    fmt,
    io::{self, Read, Write},
};

use flate2::{Compression, read::GzDecoder, write::ZlibEncoder};

include!(concat!(env!("OUT_DIR"), "/bundles.rs"));

/// Version of the embedded socket.io-client, such as `4.8.4`; `None` if this crate was built without the bundles.
pub const VERSION: Option<&str> = EMBEDDED_VERSION;

/// What to tell who asks for a bundle that is not embedded, as the text of the 404.
pub const MISSING_HINT: &str = "the client bundles are not built in: run `cargo xtask client-dist` and build again";

/// Finds an embedded file by the last part of its URL.
///
/// The names are `socket.io.js`, `socket.io.min.js`, `socket.io.msgpack.min.js`, `socket.io.esm.min.js` and each of them
/// with `.map`. `None` for every other name, and for all of them if this crate was built without the bundles.
pub fn bundle(name: &str) -> Option<Bundle> {
    BUNDLES.iter().find(|bundle| bundle.name == name).copied()
}

/// Entity tag of every bundle: the client's version in quotes; empty quotes without the bundles.
pub fn etag() -> &'static str {
    BUNDLES.first().map_or("\"\"", |bundle| bundle.etag)
}

/// One embedded file of socket.io-client. Cheap to copy: it refers to static data.
#[derive(Clone, Copy)]
pub struct Bundle {
    pub(crate) name: &'static str,
    pub(crate) etag: &'static str,
    pub(crate) brotli: &'static [u8],
    pub(crate) gzip: &'static [u8],
}

impl Bundle {
    /// File name, such as `socket.io.js`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Media type by the file name: a script, or the JSON of a source map.
    pub fn content_type(&self) -> &'static str {
        if self.name.strip_suffix(".map").is_some() {
            "application/json; charset=utf-8"
        } else {
            "application/javascript; charset=utf-8"
        }
    }

    /// The file, compressed for `Content-Encoding: br`.
    pub fn brotli(&self) -> &'static [u8] {
        self.brotli
    }

    /// The file, compressed for `Content-Encoding: gzip`.
    pub fn gzip(&self) -> &'static [u8] {
        self.gzip
    }

    /// The file as npm has it, inflated at each call: nearly every browser takes a compressed one.
    ///
    /// # Panics
    /// If the bundles that were there at build time are damaged.
    pub fn identity(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(self.gzip)
            .read_to_end(&mut plain)
            .expect("what `cargo xtask client-dist` compressed inflates, and memory can be written");
        plain
    }

    /// The file, compressed for `Content-Encoding: deflate` (zlib format) at each call.
    pub(crate) fn deflate(&self) -> Vec<u8> {
        let compress = || -> io::Result<Vec<u8>> {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&self.identity())?;
            encoder.finish()
        };
        compress().expect("memory can be written")
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("name", &self.name).field("etag", &self.etag).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What [`sample`] holds, plain.
    pub(crate) const PLAIN: &[u8] = b"export const io = () => {};";

    /// A made-up bundle, so that the tests hold with and without `dist/`. Its brotli form is recognizable, not real.
    pub(crate) fn sample(name: &'static str) -> Bundle {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(PLAIN).unwrap();
        Bundle { name, etag: "\"1.2.3\"", brotli: b"brotli", gzip: gzip.finish().unwrap().leak() }
    }

    #[test]
    fn the_plain_form_is_inflated_from_gzip() {
        assert_eq!(sample("socket.io.js").identity(), PLAIN);
    }

    #[test]
    fn the_deflate_form_is_zlib() {
        let mut plain = Vec::new();
        flate2::read::ZlibDecoder::new(&sample("socket.io.js").deflate()[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, PLAIN);
    }

    #[test]
    fn scripts_and_maps_have_their_media_types() {
        assert_eq!(sample("socket.io.js").content_type(), "application/javascript; charset=utf-8");
        assert_eq!(sample("socket.io.js.map").content_type(), "application/json; charset=utf-8");
    }

    #[test]
    fn unknown_names_find_nothing() {
        for name in ["", "socket.io", "jquery.js", "../socket.io.js", "socket.io.js.br", "manifest.txt"] {
            assert!(bundle(name).is_none(), "{name:?}");
        }
    }

    /// Holds for a build with the bundles and for one without: all eight or none.
    #[test]
    fn what_is_embedded_is_whole() {
        let names = ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"];
        for name in names.into_iter().flat_map(|name| [name.to_owned(), format!("{name}.map")]) {
            assert_eq!(bundle(&name).is_some(), VERSION.is_some(), "{name}");
            let Some(bundle) = bundle(&name) else { continue };
            let plain = String::from_utf8(bundle.identity()).unwrap();
            let start = if bundle.content_type().starts_with("application/json") {
                "{\"version\":3"
            } else {
                "/*!\n * Socket.IO v"
            };
            assert!(plain.starts_with(start), "{name}: {:?}", plain.get(..40));
            assert!(bundle.brotli().len() < bundle.gzip().len(), "{name}");
        }
        assert_eq!(etag(), format!("\"{}\"", VERSION.unwrap_or_default()));
    }
}
