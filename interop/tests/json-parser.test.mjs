// The example with a parser of its own, and the official client with its counterpart.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { jsonParser } from "../support/json-parser.mjs";
import { WAYS, serve } from "../support/suite.mjs";
import { once } from "../support/wait.mjs";

const suite = serve(io, { name: "json-parser" });

function connect(path, options) {
  return suite.connect(path, { ...options, parser: jsonParser });
}

async function connected(path, options) {
  const socket = connect(path, options);
  await once(socket, "connect");
  return socket;
}

for (const [way, options] of Object.entries(WAYS)) {
  describe(way, () => {
    test("events and answers go both ways", async () => {
      const socket = await connected("/", options);
      const args = ["ü", 1.5, null, { deep: [true, { _placeholder: true, num: 0 }] }];
      const echoed = once(socket, "echoed");
      const answer = await new Promise((resolve) => socket.emit("echo", ...args, (...got) => resolve(got)));
      assert.deepEqual(answer, args);
      assert.deepEqual(await echoed, args);
      socket.on("who are you?", (reply) => reply("a client"));
      socket.emit("ask me");
      assert.deepEqual(await once(socket, "hello"), ["a client"]);
    });

    test("a broadcast reaches everybody", async () => {
      const sockets = [await connected("/", options), await connected("/", options)];
      const heard = sockets.map((socket) => once(socket, "news"));
      sockets[0].emit("news", "spring");
      assert.deepEqual(await Promise.all(heard), [["spring"], ["spring"]]);
    });

    test("a namespace lets in who has the token, and tells others why not", async () => {
      await connected("/admin", { ...options, auth: { token: "secret" } });
      const [error] = await once(connect("/admin", options), "connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { code: 401 });
    });

    test("what it can't write is an error where it was emitted", async () => {
      const socket = await connected("/", options);
      assert.match(await socket.timeout(5000).emitWithAck("bytes"), /JSON has no bytes/);
    });

    test("a packet that is none closes the connection", async () => {
      const socket = await connected("/", options);
      socket.io.engine.write("not JSON");
      const [reason] = await once(socket, "disconnect");
      assert.match(reason, /transport (close|error)/);
    });
  });
}
