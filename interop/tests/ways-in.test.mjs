// The smallest examples: each way into the server, by the official client over each transport.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { TestServer } from "../support/server.mjs";
import { WAYS } from "../support/suite.mjs";
import { once } from "../support/wait.mjs";

for (const program of ["listen", "axum-server", "hyper-server"]) {
  describe(program, () => {
    let server;
    before(async () => {
      // It listens where it is told and nowhere else, so the port has to be a free one.
      server = await TestServer.start(program, { port: await freePort(), ending: "SIGINT" });
    });
    after(async () => { await server?.stop(); });

    for (const [way, options] of Object.entries(WAYS)) {
      test(`answers and passes on: ${way}`, async () => {
        const [ada, bob] = [io(server.url, { ...options, forceNew: true }), io(server.url, { ...options, forceNew: true })];
        try {
          await Promise.all([once(ada, "connect"), once(bob, "connect")]);
          if (options.transports.length === 2) await upgraded(ada);
          assert.equal(await ada.timeout(5000).emitWithAck("add", 2, 3), 5);
          const heard = once(bob, "shout");
          ada.emit("shout", "hello 🐟");
          assert.deepEqual(await heard, ["hello 🐟"]);
        } finally {
          ada.disconnect();
          bob.disconnect();
        }
      });
    }

    test("hands out the client", async () => {
      const response = await fetch(`${server.url}/socket.io/socket.io.js`);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /Socket\.IO v4/);
      assert.equal((await fetch(`${server.url}/elsewhere`)).status, 404);
    });

    // The last, for it needs no server afterwards.
    test("ends by itself while clients are connected", async () => {
      const client = io(server.url, { transports: ["websocket"], reconnection: false });
      await once(client, "connect");
      const gone = once(client, "disconnect");
      await server.stop();
      server = undefined;
      assert.equal((await gone)[0], "transport close");
    });
  });
}

test("axum-server: a route speaks to the sockets", async () => {
  const server = await TestServer.start("axum-server", { ending: "SIGINT" });
  const client = io(server.url);
  try {
    await once(client, "connect");
    const heard = once(client, "shout");
    const response = await fetch(`${server.url}/shout`, { method: "POST", body: "from the route" });
    assert.equal(response.status, 202);
    assert.deepEqual(await heard, ["from the route"]);
  } finally {
    client.disconnect();
    await server.stop();
  }
});

async function upgraded(client) {
  if (client.io.engine.transport.name !== "websocket") await once(client.io.engine, "upgrade");
}

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
