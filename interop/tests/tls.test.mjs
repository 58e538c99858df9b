// The official client over https and wss, against a server that ends TLS by itself.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import io2 from "socket.io-client-2";
import { TestServer } from "../support/server.mjs";
import { WAYS } from "../support/suite.mjs";
import { once, until } from "../support/wait.mjs";

describe("TLS", () => {
  const clients = [];
  let server;

  function connect(connectWith, options) {
    const socket = connectWith(server.url, { forceNew: true, ...options });
    clients.push(socket);
    return socket;
  }

  before(async () => { server = await TestServer.start("tls"); });
  after(async () => { await server?.stop(); });
  afterEach(() => {
    for (const client of clients.splice(0)) client.disconnect();
  });

  for (const [client, connectWith] of Object.entries({ "socket.io-client 4": io, "socket.io-client 2": io2 })) {
    for (const [way, options] of Object.entries(WAYS)) {
      test(`${client}: ${way}`, async () => {
        assert.match(server.url, /^https:/);
        const socket = connect(connectWith, { ...options, rejectUnauthorized: false });
        await once(socket, "connect");
        const ask = (event, ...args) => new Promise((resolve) => socket.emit(event, ...args, resolve));
        assert.equal(await ask("is secure"), true);
        if (options.transports.includes("websocket")) {
          await until(() => socket.io.engine.transport.name === "websocket", { what: "the upgrade" });
        }
        const large = { text: "größer ".repeat(50_000), bytes: Buffer.alloc(300_000, 7) };
        const answer = await ask("echo", large);
        assert.equal(answer.text, large.text);
        assert.deepEqual(Buffer.from(answer.bytes), large.bytes);
        for (const number of Array(50).keys()) assert.equal(await ask("echo", number), number);
      });
    }
  }

  test("a client that does not know the certificate does not connect", async () => {
    const socket = connect(io, { transports: ["websocket"], reconnection: false });
    const [error] = await once(socket, "connect_error");
    assert.match(String(error.description?.message ?? error.message), /self-signed certificate/);
  });
});
