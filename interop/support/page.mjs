// A page of an origin of its own, with one of the official browser bundles in it.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The bundle of each version, and whether texts beyond ASCII survive its polling. */
export const BUNDLES = {
  "1.4.8": { file: "socket.io-client-1.4/socket.io.js", old: true, wideTexts: false },
  "1.7.4": { file: "socket.io-client-1.7/dist/socket.io.js", old: true, wideTexts: false },
  "2.5.0": { file: "socket.io-client-2/dist/socket.io.js", old: true, wideTexts: true },
  "3.1.3": { file: "socket.io-client-3/dist/socket.io.js", old: false, wideTexts: true },
  "4.8.4": { file: "socket.io-client/dist/socket.io.js", old: false, wideTexts: true },
};

/** Serves `/<version>`: a page that does nothing but load the bundle. */
export async function serveBundles() {
  const server = createServer(async ({ url }, response) => {
    const [, version, script] = url.split("/");
    const bundle = BUNDLES[version];
    if (!bundle) return response.writeHead(404).end();
    if (script) {
      const file = fileURLToPath(new URL(`../node_modules/${bundle.file}`, import.meta.url));
      return response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" }).end(await readFile(file));
    }
    const page = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/${version}/bundle.js"></script>`;
    return response.writeHead(200, { "content-type": "text/html" }).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Runs in the page: connects, does a bit of everything, and returns what came. Bytes are told as `{ bytes: [...] }`. */
export async function visit({ url, options, values }) {
  const bytes = (...list) => new Uint8Array(list).buffer;
  const plain = (value) => {
    if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
    if (Array.isArray(value)) return value.map(plain);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  };
  const within = (what, work) => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no ${what} within 5 s`)), 5000);
    work((...got) => resolve(plain(got)));
  });
  const socket = window.io(url, { forceNew: true, ...options });
  const once = (event) => within(event, (resolve) => socket.once(event, resolve));
  const ask = (event, ...args) => within(`ack of ${event}`, (resolve) => socket.emit(event, ...args, resolve));

  const report = { left: [] };
  socket.on("disconnect", (reason) => report.left.push(reason));
  report.welcome = (await once("welcome"))[0];
  report.handshake = (await ask("handshake"))[0];
  report.echoed = [];
  for (const value of values) report.echoed.push(await ask("echo", value, "more"));
  report.bytes = await ask("echo", bytes(0, 1, 255), { deep: [bytes(4), "text"] });
  report.info = await ask("bin-info", bytes(7, 8), "no");
  report.made = await ask("bin-make", 3);
  const reply = once("echo:reply");
  socket.emit("echo", "by event", bytes(9));
  report.reply = (await reply).slice(0, -1);
  const answer = once("answer");
  socket.once("question", (question, answer) => answer(question, bytes(1, 2)));
  socket.emit("ask", "how");
  report.answer = (await answer).slice(0, -1);
  report.seq = await new Promise((resolve) => {
    const seq = [];
    socket.on("seq", (i) => seq.push(i) === 200 && resolve(seq));
    socket.emit("seq", 200);
  });
  // The first clients turn a poll's bytes into arguments of one call, of which a browser takes some 120,000.
  report.large = (await ask("large", 100_000))[0].length;
  // Past two heartbeats.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  report.sink = await ask("sink", "x".repeat(60_000));
  report.transport = socket.io.engine.transport.name;
  const gone = once("disconnect");
  socket.emit("kick", true);
  await gone;
  return report;
}
