// permessage-deflate between our server and the official client, which negotiates it by itself in Node.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import io2 from "socket.io-client-2";
import { serve } from "../support/suite.mjs";
import { once, until } from "../support/wait.mjs";

/** Compresses well, and has characters of every length. */
const TEXT = "the same again, größer, 日本語, 😀; ".repeat(5000);
const BYTES = Buffer.from(TEXT);

const WAYS = {
  "WebSocket only": { transports: ["websocket"] },
  "polling, then upgrade": { transports: ["polling", "websocket"] },
};

async function onWebSocket(socket) {
  await once(socket, "connect");
  await until(() => socket.io.engine.transport.name === "websocket", { what: "the upgrade" });
  return socket.io.engine.transport.ws;
}

/** How many bytes the client has received and sent on the connection below. */
function traffic(ws) {
  const { bytesRead, bytesWritten } = ws._socket;
  return { bytesRead, bytesWritten };
}

for (const [client, connectWith] of Object.entries({ "socket.io-client 4": io, "socket.io-client 2": io2 })) {
  describe(client, () => {
    const suite = serve(connectWith, { args: ["--deflate"] });

    for (const [way, options] of Object.entries(WAYS)) {
      test(`large text and binary go both ways compressed: ${way}`, async () => {
        const socket = suite.connect("/", options);
        const ws = await onWebSocket(socket);
        assert.equal(ws.extensions, "permessage-deflate");
        const before = traffic(ws);
        for (const value of [TEXT, { list: [TEXT, "short"] }]) {
          const answered = new Promise((resolve) => socket.emit("echo", value, resolve));
          assert.deepEqual(await answered, value);
        }
        const after = traffic(ws);
        assert.ok(after.bytesRead - before.bytesRead < BYTES.length / 10, "compressed from the server");
        assert.ok(after.bytesWritten - before.bytesWritten < BYTES.length / 10, "compressed to the server");

        const answered = new Promise((resolve) => socket.emit("bin", { bytes: BYTES, text: TEXT }, resolve));
        const { bytes, text } = await answered;
        assert.deepEqual([Buffer.from(bytes), text], [BYTES, TEXT]);
      });

      test(`a broadcast reaches those who compress and those who do not: ${way}`, async () => {
        const sockets = [{}, { perMessageDeflate: false }].map((more) => suite.connect("/", { ...options, ...more }));
        const [compressing, plain] = await Promise.all(sockets.map(onWebSocket));
        assert.deepEqual([compressing.extensions, plain.extensions], ["permessage-deflate", ""]);
        const heard = Promise.all(sockets.map((socket) => once(socket, "news")));
        const speaker = suite.connect("/", options);
        await once(speaker, "connect");
        speaker.emit("broadcast", TEXT);
        assert.deepEqual(await heard, [[TEXT], [TEXT]]);
      });
    }
  });
}
