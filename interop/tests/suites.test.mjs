// The servers of the official clients' own suites, by a few of the steps that those take.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import WebSocket from "ws";
import { TestServer } from "../support/server.mjs";
import { once } from "../support/wait.mjs";

/** Starts the server for the tests of a `describe`. */
function started(name) {
  const suite = {};
  before(async () => { suite.server = await TestServer.start(name, { args: ["--suite", "client"], ending: "SIGINT" }); });
  after(async () => { await suite.server?.stop(); });
  return suite;
}

describe("of socket.io-client", () => {
  const suite = started("suite-socket");

  test("asks back, counts the steps, and refuses", async (t) => {
    const open = (path, options) => {
      const client = io(suite.server.url + path, { forceNew: true, ...options });
      t.after(() => client.disconnect());
      return client;
    };
    const socket = open("/");
    socket.on("ack", (reply) => reply(5, { test: true }));
    socket.emit("ack");
    await once(socket, "got it");
    socket.emit("abuff1", Buffer.of(1));
    socket.emit("abuff2", "second");
    await once(socket, "abuff2-ack");
    assert.equal(await socket.emitWithAck("getId"), socket.id);

    const [handshake] = await once(open("/abc", { query: { "&a": "&=?a" }, auth: { b: 1 } }), "handshake");
    assert.equal(handshake.query["&a"], "&=?a");
    assert.deepEqual(handshake.auth, { b: 1 });
    const [error] = await once(open("/no"), "connect_error");
    assert.equal(error.message, "Auth failed (custom namespace)");
  });
});

describe("of engine.io-client", () => {
  const suite = started("suite-engine");

  test("sets cookies and tells which came back", async () => {
    const url = `${suite.server.url}/engine.io/?EIO=4&transport=polling`;
    const opened = await fetch(url);
    assert.equal(opened.headers.getSetCookie().length, 4);
    const session = `${url}&sid=${JSON.parse((await opened.text()).slice(1)).sid}`;
    assert.equal(await (await fetch(session)).text(), "4hi");
    await fetch(session, { method: "POST", body: "4sendHeaders", headers: { cookie: "1=1" } });
    assert.equal(JSON.parse((await (await fetch(session)).text()).slice(1)).cookie, "1=1");
    assert.equal((await fetch(session, { method: "POST", body: "4".repeat(101) })).status, 413);
  });

  test("lets nobody in who asks to be denied", async () => {
    assert.equal((await fetch(`${suite.server.url}/engine.io/?EIO=4&transport=polling&deny=1`)).status, 403);
    const socket = new WebSocket(`${suite.server.url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&deny=1`);
    const [error] = await once(socket, "error");
    assert.match(error.message, /403|400/);
  });
});
