// Lays out the browser bundles of the installed socket.io-client in ../dist, each compressed twice, for build.rs to embed.
// Run by `cargo xtask client-dist`, after `npm ci` has checked the package against the lock file's integrity hash.
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const BUNDLES = ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"];
const FILES = BUNDLES.flatMap((name) => [name, `${name}.map`]);

const source = new URL("node_modules/socket.io-client/", import.meta.url);
const target = new URL("../dist/", import.meta.url);
const unfinished = new URL("../dist.new/", import.meta.url);
const { version } = JSON.parse(await readFile(new URL("package.json", source), "utf8"));

// Put together aside and moved at the end, so that an interrupted run leaves no half of it to embed.
await rm(unfinished, { recursive: true, force: true });
await mkdir(unfinished);
await Promise.all(FILES.map(async (name) => {
  const plain = await readFile(new URL(`dist/${name}`, source));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
  await writeFile(new URL(`${name}.br`, unfinished), await promisify(brotliCompress)(plain, { params }));
  await writeFile(new URL(`${name}.gz`, unfinished), await promisify(gzip)(plain, { level: 9 }));
}));
// The bundles may be passed on under the MIT licence, as long as its text goes with them.
await writeFile(new URL("LICENSE", unfinished), await readFile(new URL("LICENSE", source)));
await writeFile(new URL("manifest.txt", unfinished), [version, ...FILES, ""].join("\n"));
await rm(target, { recursive: true, force: true });
await rename(unfinished, target);
console.log(`socket.io-client ${version}: ${FILES.length} files laid out`);
