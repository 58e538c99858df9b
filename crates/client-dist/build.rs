//! Writes the list of the bundles that lie in `dist/`, for `lib.rs` to include. Looks at local files only.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    // Cargo runs us in the package's folder.
    let dist = Path::new("dist");
    // A watched path that is absent counts as always changed, and would rebuild this crate and the server each time.
    println!("cargo:rerun-if-changed={}", if dist.exists() { "dist" } else { "." });

    let list = match fs::read_to_string(dist.join("manifest.txt")) {
        Ok(manifest) => list_of(&manifest),
        Err(error) if error.kind() == io::ErrorKind::NotFound => list_of(""),
        Err(error) => return Err(error),
    };
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("bundles.rs"), list)
}

/// The Rust source for a manifest: the client's version on the first line, then a file name on each.
fn list_of(manifest: &str) -> String {
    let mut lines = manifest.lines();
    let version = lines.next();
    let mut source = format!("const EMBEDDED_VERSION: Option<&str> = {version:?};\nstatic BUNDLES: &[Bundle] = &[\n");
    for name in lines {
        let at =
            |ending: &str| format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/dist/{name}.{ending}\"))");
        // Writing to a string cannot fail.
        let _ = writeln!(
            source,
            "    Bundle {{ name: {name:?}, etag: {:?}, brotli: {}, gzip: {} }},",
            format!("\"{}\"", version.unwrap_or_default()),
            at("br"),
            at("gz"),
        );
    }
    source + "];\n"
}
