// The client of Socket.IO 2 (Engine.IO 3) against our server, over every transport.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import io from "socket.io-client-2";
import { WAYS, serve } from "../support/suite.mjs";
import { once, pause, until, within } from "../support/wait.mjs";

const suite = serve(io);
const { connect } = suite;

/** This client is connected to the main namespace without asking; others it asks for, with a query. */
async function connected(path, options) {
  const socket = connect(path, options);
  await once(socket, "connect");
  return socket;
}

function ask(socket, event, ...args) {
  const answer = new Promise((resolve) => socket.emit(event, ...args, (...got) => resolve(got.length > 1 ? got : got[0])));
  return within(5000, answer, `the ack of "${event}"`);
}

function collect(socket, event) {
  const heard = [];
  socket.on(event, (...args) => heard.push(args.length === 1 ? args[0] : args));
  return heard;
}

function upgraded(socket) {
  return until(() => socket.io.engine.transport.name === "websocket", { what: "the upgrade" });
}

const numbers = (n) => Array.from({ length: n }, (_, i) => i);

for (const [way, options] of Object.entries(WAYS)) {
  describe(way, () => {
    test("is in the main namespace at once, under the connection's id", async () => {
      const socket = await connected("/", options);
      assert.equal(socket.id, socket.io.engine.id);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      if (options.transports.length > 1) await upgraded(socket);
      else assert.equal(socket.io.engine.transport.name, options.transports[0]);
    });

    test("enters a namespace with a query, under an id made of both", async () => {
      const socket = await connected("/admin?token=secret", options);
      assert.equal(socket.id, `/admin#${socket.io.engine.id}`);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      assert.equal((await ask(socket, "auth")).token, "secret");
      const plain = await connected("/other", options);
      assert.equal(await ask(plain, "sum", 1, 2), 3);
    });

    test("hears the data of a refusal", async () => {
      const socket = connect("/admin?token=wrong", options);
      const [error] = await once(socket, "error");
      assert.deepEqual(error, { code: 401 });
      assert.equal(socket.connected, false);
    });

    test("hears that a namespace does not exist", async () => {
      const [error] = await once(connect("/nowhere", options), "error");
      assert.match(JSON.stringify(error), /Invalid namespace/);
    });

    test("sends and gets arguments of every kind", async () => {
      const socket = await connected("/", options);
      for (const args of [
        ["text"], [1, 2.5, null, true], [{ deep: [{ er: "ü" }] }], ["zwölf ☃ 🐟 𝒳 \u2028 \\ \" \n"], [[], {}, ""],
      ]) {
        socket.emit("echo", ...args);
        assert.deepEqual(await once(socket, "echo:reply"), args);
      }
      assert.deepEqual(await ask(socket, "echo", 1, "two", null), [1, "two", null]);
      socket.emit("echo", undefined, { gone: undefined, kept: 1 });
      assert.deepEqual(await once(socket, "echo:reply"), [null, { kept: 1 }]);
    });

    test("keeps wide characters whole in batches", async () => {
      // Lengths in these payloads count UTF-16 units: an astral character counts twice.
      const socket = await connected("/", options);
      const replies = collect(socket, "echo:reply");
      const texts = ["🐟", "a", "𝒳𝒳", "ü☃", "", "🐟🐟🐟", "end"];
      for (const text of texts) socket.emit("echo", text);
      await until(() => replies.length === texts.length);
      assert.deepEqual(replies, texts);
    });

    test("sends and gets bytes, nested ones too, in events and acks", async () => {
      const socket = await connected("/", options);
      const all = Buffer.from(numbers(256));
      for (const data of [all, { file: all, parts: [Buffer.from([1]), { deep: Buffer.from([2, 3]) }] }]) {
        const reply = once(socket, "bin:reply");
        assert.deepEqual(await ask(socket, "bin", data), data);
        assert.deepEqual(await reply, [data]);
      }
      socket.emit("echo", all, "🐟 between", Buffer.from([9]));
      assert.deepEqual(await once(socket, "echo:reply"), [all, "🐟 between", Buffer.from([9])]);
    });

    test("answers the server's question, or lets it go unanswered", async () => {
      const socket = await connected("/", options);
      socket.once("question", (question, answer) => answer({ [question]: Buffer.from([1, 2]) }));
      socket.emit("ask", "how");
      assert.deepEqual(await once(socket, "answer"), [{ how: Buffer.from([1, 2]) }]);
      socket.emit("ask-timeout", 100, "anybody?");
      await once(socket, "answer-timeout");
    });

    test("has several namespaces on one connection", async () => {
      const main = await connected("/", options);
      const admin = main.io.socket("/admin", { query: "token=secret" });
      const other = main.io.socket("/other");
      suite.clients.push(admin, other);
      await Promise.all([once(admin, "connect"), once(other, "connect")]);
      assert.deepEqual([await ask(main, "sum", 1, 1), await ask(admin, "sum", 2, 2), await ask(other, "sum", 3, 3)], [2, 4, 6]);
      const { id } = other;
      other.disconnect();
      assert.equal(await until(() => ask(main, "reason-of", id)), "client namespace disconnect");
      assert.equal(await ask(admin, "sum", 1, 2), 3);
    });

    test("joins rooms and hears what is for them", async () => {
      const [a, b, c] = await Promise.all([connected("/", options), connected("/", options), connected("/", options)]);
      const room = `room-${a.id}`;
      const muted = `muted-${a.id}`;
      assert.deepEqual(await ask(a, "join", room), [a.id, room].sort());
      await Promise.all([ask(b, "join", room), ask(b, "join", muted)]);
      const news = [a, b, c].map((socket) => collect(socket, "news"));
      await ask(a, "to-room", room, "to");
      await ask(a, "in-room", room, Buffer.from([7]));
      await ask(a, "to-except", room, muted, "not b");
      await ask(b, "broadcast", "all but me");
      assert.deepEqual(await ask(a, "leave", room), [a.id]);
      await ask(b, "in-room", room, "after a left");
      await until(() => news[0].length >= 3 && news[1].length >= 3 && news[2].length >= 1);
      await pause(100);
      assert.deepEqual(news, [
        [Buffer.from([7]), "not b", "all but me"], ["to", Buffer.from([7]), "after a left"], ["all but me"],
      ]);
    });

    test("gets a private message by its id", async () => {
      const [a, b] = await Promise.all([connected("/", options), connected("/", options)]);
      const heard = once(b, "private");
      await ask(a, "private", b.id, { text: "psst" });
      assert.deepEqual(await heard, [a.id, { text: "psst" }]);
    });

    test("keeps 2,000 numbered events in order, both ways", async () => {
      const socket = await connected("/", options);
      const replies = collect(socket, "echo:reply");
      for (const i of numbers(2000)) socket.emit("echo", i);
      const seq = collect(socket, "seq");
      socket.emit("seq", 2000);
      await until(() => replies.length >= 2000 && seq.length >= 2000, { within: 20_000, what: "4,000 events" });
      assert.deepEqual(replies, numbers(2000));
      assert.deepEqual(seq, numbers(2000));
    });

    test("sends and gets a big payload below the limit, and is cut off above it alone", async () => {
      const bystander = await connected("/", options);
      const socket = await connected("/", { ...options, reconnection: false });
      if (options.transports.length > 1) await upgraded(socket);
      const text = "ü".repeat(300_000);
      assert.equal(await ask(socket, "echo", text), text);
      assert.equal((await ask(socket, "large", 2_000_000)).length, 2_000_000);
      const gone = once(socket, "disconnect");
      socket.emit("sink", "x".repeat(1_100_000));
      assert.match((await gone)[0], /^transport (error|close)$/);
      assert.equal(await ask(bystander, "sum", 1, 2), 3);
    });

    test("hears when the server ends its namespace, or its connection", async () => {
      const watcher = await connected("/", options);
      for (const close of [false, true]) {
        const socket = await connected("/", { ...options, reconnection: false });
        const { id } = socket;
        const gone = once(socket, "disconnect");
        socket.emit("kick", close);
        assert.equal((await gone)[0], "io server disconnect");
        assert.equal(await until(() => ask(watcher, "reason-of", id)), "server namespace disconnect");
      }
    });

    test("that loses its transport is seen to leave, and comes back", async () => {
      const [socket, watcher] = await Promise.all([
        connected("/", { ...options, reconnectionDelay: 50 }), connected("/", options),
      ]);
      const { id } = socket;
      const back = once(socket, "reconnect");
      socket.io.engine.close();
      assert.equal(await until(() => ask(watcher, "reason-of", id)), "transport close");
      await back;
      await until(() => socket.connected);
      assert.notEqual(socket.id, id);
      assert.equal(await ask(socket, "sum", 1, 2), 3);
    });

    test("comes back when the server was restarted on the same port, with what it had to say", async () => {
      const socket = await connected("/", { ...options, reconnectionDelay: 50, reconnectionDelayMax: 200 });
      if (options.transports.length > 1) await upgraded(socket);
      const gone = once(socket, "disconnect");
      await suite.server.kill();
      assert.match((await gone)[0], /^transport (close|error)$/);
      const answer = ask(socket, "sum", 40, 2);
      await suite.server.start();
      assert.equal(await answer, 42);
    });
  });
}

test("during the upgrade nothing is lost and nothing overtakes", async () => {
  for (const _ of numbers(3)) {
    const socket = await connected("/", { transports: ["polling", "websocket"] });
    const replies = collect(socket, "echo:reply");
    const seq = collect(socket, "seq");
    socket.emit("seq", 1000);
    let sent = 0;
    const end = Date.now() + 10_000;
    while (sent < 1000 || (socket.io.engine.transport.name !== "websocket" && Date.now() < end)) {
      for (const _ of numbers(20)) socket.emit("echo", sent++);
      await new Promise(setImmediate);
    }
    await upgraded(socket);
    await until(() => replies.length >= sent && seq.length >= 1000, { within: 15_000, what: "all events" });
    assert.deepEqual(replies, numbers(sent));
    assert.deepEqual(seq, numbers(1000));
    socket.disconnect();
  }
});
