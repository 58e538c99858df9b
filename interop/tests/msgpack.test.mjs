// The official MessagePack parser, with the clients that have an option for it, against our server's.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { CLIENTS, answers, ask, connected, numbers } from "../support/clients.mjs";
import { WAYS, serve } from "../support/suite.mjs";
import { once, until } from "../support/wait.mjs";

const require = createRequire(import.meta.url);

const PARSERS = {
  "2.5.0": require("socket.io-msgpack-parser-2"),
  "3.1.3": require("socket.io-msgpack-parser"),
  "4.8.4": require("socket.io-msgpack-parser"),
};

const suite = serve(io, { args: ["--parser", "msgpack"] });

/** Collects the only argument of an event, from now on. */
function collect(socket, event) {
  const heard = [];
  socket.on(event, (value) => heard.push(value));
  return heard;
}

/** What our server makes of a value and sends back, with an ack and without. */
async function echoed(socket, ...args) {
  const reply = once(socket, "echo:reply");
  socket.emit("echo", ...args);
  const [event, answer] = [await reply, await answers(socket, "echo", ...args)];
  assert.deepEqual(event, answer);
  return answer;
}

for (const { version, io: client, old } of CLIENTS.filter(({ version }) => version in PARSERS)) {
  for (const [way, transports] of Object.entries(WAYS)) {
    describe(`${version}, ${way}`, () => {
      const options = { ...transports, parser: PARSERS[version] };

      function connect(path, more) {
        const socket = client(suite.server.url + path, { forceNew: true, ...options, ...more });
        suite.clients.push(socket);
        return socket;
      }

      test("JSON comes back as it went", async () => {
        const socket = await connected(connect("/"));
        const args = ["", "ü€😀", "x".repeat(40_000), true, null, [], {}, [[]], { deep: { er: [1, { "0": "ok" }] } }, numbers(70)];
        assert.deepEqual(await echoed(socket, ...args), args);
        assert.deepEqual(await echoed(socket), []);
        const lookalike = { _placeholder: true, num: 0 };
        assert.deepEqual(await echoed(socket, lookalike), [lookalike]);
      });

      test("numbers of all widths come back as they went", async () => {
        const socket = await connected(connect("/"));
        const integers = [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 60];
        const args = [...integers, ...integers.slice(1).map((n) => -n), 1.5, -0.1, 1e-7, 5e-324];
        assert.deepEqual(await echoed(socket, ...args), args);
        assert.deepEqual(await echoed(socket, NaN, Infinity, -Infinity), [null, null, null]);
        assert.equal(await ask(socket, "sum", 2 ** 40, -(2 ** 33)), 2 ** 40 - 2 ** 33);
      });

      test("dates come back as text", async () => {
        const socket = await connected(connect("/"));
        const dates = [0, 1, -1, 1e12, Date.UTC(2024, 1, 29, 23, 59, 59, 999), 253402300800000, -62198755200000, 8.64e15, -8.64e15];
        const sent = dates.map((time) => new Date(time));
        assert.deepEqual(await echoed(socket, ...sent), JSON.parse(JSON.stringify(sent)));
        assert.deepEqual(await echoed(socket, { at: [sent[3]] }), [{ at: ["2001-09-09T01:46:40.000Z"] }]);
      });

      test("what is undefined is null in a list and no key of an object", async () => {
        const socket = await connected(connect("/"));
        assert.deepEqual(await echoed(socket, undefined, [undefined, 1], { gone: undefined, kept: 1 }, { gone: undefined }), [
          null, [null, 1], { kept: 1 }, {},
        ]);
      });

      test("bytes come back as bytes, at any depth and in any number", async () => {
        const socket = await connected(connect("/"));
        const all = Buffer.from(numbers(256));
        const args = [all, { file: all, parts: [Buffer.from([1]), { deep: Buffer.alloc(0) }] }, Buffer.alloc(70_000, 7)];
        assert.deepEqual(await echoed(socket, ...args), args);
        const many = numbers(25).map((n) => Buffer.from([n]));
        assert.deepEqual(await echoed(socket, many), [many]);
        const reply = once(socket, "bin:reply");
        assert.deepEqual(await ask(socket, "bin", all), all);
        assert.deepEqual(await reply, [all]);
      });

      test("typed arrays and buffers of arrays come back as their bytes", async () => {
        const socket = await connected(connect("/"));
        const sent = [Uint8Array.of(1, 2, 3), Uint16Array.of(1, 258), Float64Array.of(1.5), new ArrayBuffer(1), new ArrayBuffer(300)];
        const bytes = sent.map((array) => Buffer.from(array.buffer ?? array));
        assert.deepEqual(await echoed(socket, ...sent), bytes);
        assert.deepEqual(await echoed(socket, { a: [sent[1]] }), [{ a: [bytes[1]] }]);
      });

      test("the server asks, and gets what it is answered", async () => {
        const socket = await connected(connect("/"));
        socket.on("question", (question, reply) => reply({ question, bytes: Buffer.from([7]) }));
        const answer = once(socket, "answer");
        socket.emit("ask", { q: [1] });
        assert.deepEqual(await answer, [{ question: { q: [1] }, bytes: Buffer.from([7]) }]);
      });

      test("a broadcast reaches the others, in every namespace", async () => {
        const [one, two, elsewhere] = await Promise.all(
          [connect("/"), connect("/"), connect("/other")].map((socket) => connected(socket)),
        );
        const heard = once(two, "news");
        const nothing = [collect(one, "news"), collect(elsewhere, "news")];
        const news = { bytes: Buffer.from([1]), text: "ü" };
        assert.equal(await ask(one, "broadcast", news), true);
        assert.deepEqual(await heard, [news]);
        assert.equal(await ask(elsewhere, "sum", 1, 2), 3);
        assert.deepEqual(nothing, [[], []]);
      });

      test("events keep their order", async () => {
        const socket = await connected(connect("/"));
        const heard = collect(socket, "seq");
        socket.emit("seq", 300);
        await ask(socket, "sink");
        assert.deepEqual(heard, numbers(300));
      });

      test("a refusal tells why, with data", async () => {
        if (old) {
          const [error] = await once(connect("/nowhere"), "error");
          assert.equal(error, "Invalid namespace");
          return;
        }
        const socket = connect("/admin", { auth: { token: "wrong" } });
        const [error] = await once(socket, "connect_error");
        assert.equal(error.message, "not authorized");
        assert.deepEqual(error.data, { code: 401 });
        socket.auth = { token: "secret" };
        socket.connect();
        await once(socket, "connect");
        assert.deepEqual(await ask(socket, "auth"), { token: "secret" });
        const [unknown] = await once(connect("/no,where"), "connect_error");
        assert.equal(unknown.message, "Invalid namespace");
      });

      test("a disconnect says who wanted it", async () => {
        const socket = await connected(connect("/"));
        const gone = once(socket, "disconnect");
        socket.emit("kick", false);
        assert.equal((await gone)[0], "io server disconnect");
        const [leaving, staying] = [await connected(connect("/other")), await connected(connect("/other"))];
        const { id } = leaving;
        leaving.disconnect();
        const reason = await until(() => ask(staying, "reason-of", id), { what: "the end of the other" });
        assert.equal(reason, "client namespace disconnect");
      });
    });
  }
}
