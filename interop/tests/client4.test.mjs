// The official client of today against our server, over every transport.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { WAYS, serve } from "../support/suite.mjs";
import { once, pause, until } from "../support/wait.mjs";

const suite = serve(io);
const { connect } = suite;

async function connected(path, options) {
  const socket = connect(path, options);
  await once(socket, "connect");
  return socket;
}

/** Calls with an ack; the test fails if it does not come. */
function ask(socket, event, ...args) {
  return socket.timeout(5000).emitWithAck(event, ...args);
}

/** Collects what an event brings, from now on. */
function collect(socket, event) {
  const heard = [];
  socket.on(event, (...args) => heard.push(args.length === 1 ? args[0] : args));
  return heard;
}

/** Resolves when the client's connection uses the WebSocket. */
function upgraded(socket) {
  return until(() => socket.io.engine?.transport.name === "websocket", { what: "the upgrade" });
}

const numbers = (n) => Array.from({ length: n }, (_, i) => i);

for (const [way, options] of Object.entries(WAYS)) {
  describe(way, () => {
    test("connects with a public id that is not the connection's", async () => {
      const socket = await connected("/", options);
      assert.match(socket.id, /^[\w-]{20}$/);
      assert.notEqual(socket.id, socket.io.engine.id);
      assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
      if (options.transports.length > 1) await upgraded(socket);
      else assert.equal(socket.io.engine.transport.name, options.transports[0]);
    });

    test("hands its auth to the server", async () => {
      const auth = { token: "t", nested: { list: [1, null, "ü"] } };
      assert.deepEqual(await ask(await connected("/", { ...options, auth }), "auth"), auth);
      assert.deepEqual(await ask(await connected("/", options), "auth"), {});
    });

    test("hears why it was refused, with data, and may come back with better auth", async () => {
      const socket = connect("/admin", { ...options, auth: { token: "wrong" } });
      const [error] = await once(socket, "connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { code: 401 });
      assert.equal(socket.active, false);
      socket.auth = { token: "secret" };
      socket.connect();
      await once(socket, "connect");
      assert.equal(await ask(socket, "sum", 1, 2), 3);
    });

    test("waits for a slow middleware", async () => {
      const before = Date.now();
      const socket = connect("/", { ...options, auth: { delay: 200 } });
      // Written before the answer: kept until the server has accepted.
      const early = ask(socket, "sum", 20, 22);
      await once(socket, "connect");
      assert.ok(Date.now() - before >= 190);
      assert.equal(await early, 42);
    });

    test("is refused by the main namespace's middleware", async () => {
      const [error] = await once(connect("/", { ...options, auth: { fail: true } }), "connect_error");
      assert.equal(error.message, "refused");
      assert.deepEqual(error.data, { code: 4001 });
    });

    test("hears that a namespace does not exist", async () => {
      const [error] = await once(connect("/nowhere", options), "connect_error");
      assert.equal(error.message, "Invalid namespace");
    });

    test("sends and gets arguments of every kind", async () => {
      const socket = await connected("/", options);
      const cases = [
        ["text"], [1, 2.5, -3e-7, 9007199254740991], [true, false, null], [[], {}, [[]], ""],
        [{ deep: { er: [1, { still: "ok" }] } }], ["zwölf ☃ 🐟 𝒳 \u0000 \u2028 \\ \" \n"], [["a", "list"], "behind it"],
        [{ _placeholder: true, num: 0 }],
      ];
      for (const args of cases) {
        socket.emit("echo", ...args);
        assert.deepEqual(await once(socket, "echo:reply"), args);
      }
    });

    test("gets every argument of an ack", async () => {
      const socket = await connected("/", options);
      const answer = (...args) => new Promise((resolve) => socket.emit("echo", ...args, (...got) => resolve(got)));
      assert.deepEqual(await answer(), []);
      assert.deepEqual(await answer(1, "two", { three: [3] }, null), [1, "two", { three: [3] }, null]);
      assert.deepEqual(await answer([1, 2]), [[1, 2]]);
    });

    test("sends undefined as null", async () => {
      const socket = await connected("/", options);
      socket.emit("echo", undefined, { gone: undefined, kept: 1 });
      assert.deepEqual(await once(socket, "echo:reply"), [null, { kept: 1 }]);
    });

    test("sends and gets bytes, nested ones too, in events and acks", async () => {
      const socket = await connected("/", options);
      const all = Buffer.from(numbers(256));
      const cases = [
        all, Buffer.alloc(0), { file: all, name: "🐟.bin", parts: [Buffer.from([1]), { deep: Buffer.from([2, 3]) }] },
        [all, "text", Buffer.from([4, 30, 0])],
      ];
      for (const data of cases) {
        const reply = once(socket, "bin:reply");
        assert.deepEqual(await ask(socket, "bin", data), data);
        assert.deepEqual(await reply, [data]);
      }
      socket.emit("echo", all, "between", Buffer.from([9]));
      assert.deepEqual(await once(socket, "echo:reply"), [all, "between", Buffer.from([9])]);
    });

    test("answers the server's question", async () => {
      const socket = await connected("/", options);
      socket.on("question", (question, answer) => answer({ [question]: Buffer.from([1, 2]) }));
      socket.emit("ask", "how");
      assert.deepEqual(await once(socket, "answer"), [{ how: Buffer.from([1, 2]) }]);
      socket.emit("ask-timeout", 2000, "how");
      assert.deepEqual(await once(socket, "answer"), [{ how: Buffer.from([1, 2]) }]);
    });

    test("lets the server's question go unanswered", async () => {
      const socket = await connected("/", options);
      const questions = collect(socket, "question");
      socket.emit("ask-timeout", 100, "anybody?");
      await once(socket, "answer-timeout");
      assert.equal(questions.length, 1);
    });

    test("gets no ack for what nobody handles, and its timeout ends that", async () => {
      const socket = await connected("/", options);
      await assert.rejects(socket.timeout(150).emitWithAck("no such event", 1), /operation has timed out/);
      assert.equal(await ask(socket, "sum", 2, 3), 5);
    });

    test("has several namespaces on one connection", async () => {
      const main = await connected("/", { ...options, forceNew: false, multiplex: true });
      const other = main.io.socket("/other");
      const admin = main.io.socket("/admin", { auth: { token: "secret" } });
      suite.clients.push(other, admin);
      for (const socket of [other, admin]) if (!socket.connected) await once(socket, "connect");
      assert.equal(new Set([main.id, other.id, admin.id]).size, 3);
      assert.deepEqual(await ask(admin, "auth"), { token: "secret" });
      const heard = [main, other, admin].map((socket) => collect(socket, "echo:reply"));
      main.emit("echo", "main");
      other.emit("echo", "other", Buffer.from([1]));
      admin.emit("echo", "admin");
      await until(() => heard.every((list) => list.length === 1));
      assert.deepEqual(heard, [["main"], [["other", Buffer.from([1])]], ["admin"]]);
      // One leaves, the others stay.
      const id = other.id;
      other.disconnect();
      assert.equal(await until(() => ask(admin, "reason-of", id)), "client namespace disconnect");
      assert.equal(await ask(main, "sum", 1, 1), 2);
      other.connect();
      await once(other, "connect");
      assert.notEqual(other.id, id);
    });

    test("joins and leaves rooms", async () => {
      const socket = await connected("/", options);
      assert.deepEqual(await ask(socket, "join", "a"), [socket.id, "a"].sort());
      assert.deepEqual(await ask(socket, "join", "b"), [socket.id, "a", "b"].sort());
      assert.deepEqual(await ask(socket, "leave", "a"), [socket.id, "b"].sort());
    });

    test("hears what is for its rooms, and nothing else", async () => {
      const [a, b, c] = await Promise.all([connected("/", options), connected("/", options), connected("/", options)]);
      const room = `room-${a.id}`;
      const muted = `muted-${a.id}`;
      await Promise.all([ask(a, "join", room), ask(b, "join", room), ask(b, "join", muted)]);
      const news = [a, b, c].map((socket) => collect(socket, "news"));
      await ask(a, "to-room", room, "to");
      await ask(a, "in-room", room, "in");
      await ask(c, "in-room", room, Buffer.from([7]));
      await ask(a, "to-except", room, muted, "not b");
      await ask(a, "except", muted, "all but b");
      await ask(b, "broadcast", "all but me");
      await ask(b, "leave", room);
      await ask(a, "in-room", room, "after b left");
      // An event behind the broadcasts tells that they have passed.
      for (const socket of [a, b, c]) {
        socket.emit("echo", "end");
        await once(socket, "echo:reply");
      }
      await until(() => news[0].length >= 6 && news[1].length >= 3 && news[2].length >= 2);
      assert.deepEqual(news, [
        ["in", Buffer.from([7]), "not b", "all but b", "all but me", "after b left"],
        ["to", "in", Buffer.from([7])],
        ["all but b", "all but me"],
      ]);
    });

    test("does not hear broadcasts of other namespaces", async () => {
      const [main, other] = await Promise.all([connected("/", options), connected("/other", options)]);
      const news = collect(other, "news");
      const third = await connected("/", options);
      await ask(third, "broadcast", "main only");
      other.emit("echo", 1);
      await once(other, "echo:reply");
      assert.deepEqual(news, []);
      assert.equal(main.connected, true);
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

    test("gets a volatile event when the line is free", async () => {
      const socket = await connected("/", options);
      if (options.transports.length > 1) await upgraded(socket);
      let heard = 0;
      socket.on("news", () => { heard += 1; });
      // One may be lost on its way between two polls; with many tries none arriving would be a fault.
      await until(async () => {
        socket.emit("volatile", "now");
        await pause(50);
        return heard > 0;
      }, { what: "a volatile event" });
    });

    test("sends and gets a big payload below the limit", async () => {
      const socket = await connected("/", options);
      const text = "ü".repeat(400_000);
      assert.equal(await ask(socket, "echo", text), text);
      assert.equal((await ask(socket, "large", 3_000_000)).length, 3_000_000);
      const bytes = Buffer.alloc(700_000, 7);
      assert.deepEqual(await ask(socket, "bin", bytes), bytes);
    });

    test("is cut off above the limit, and nobody else is", async () => {
      const bystander = await connected("/", options);
      const socket = await connected("/", { ...options, reconnection: false });
      if (options.transports.length > 1) await upgraded(socket);
      const { id } = socket;
      const gone = once(socket, "disconnect");
      socket.emit("sink", "x".repeat(1_100_000));
      const [reason, details] = await gone;
      assert.equal(reason, options.transports[0] === "polling" && options.transports.length === 1 ? "transport error" : "transport close");
      if (reason === "transport error") assert.equal(details.context.status, 413);
      if (reason === "transport close") {
        assert.equal(details.context.code ?? details.context, 1009);
        assert.match(await until(() => ask(bystander, "reason-of", id)), /^transport (error|close)$/);
      }
      assert.equal(await ask(bystander, "sum", 1, 2), 3);
    });

    test("hears when the server ends its namespace", async () => {
      const socket = await connected("/", options);
      const { id } = socket;
      const gone = once(socket, "disconnect");
      socket.emit("kick", false);
      assert.equal((await gone)[0], "io server disconnect");
      assert.equal(socket.active, false);
      const watcher = await connected("/", options);
      assert.equal(await ask(watcher, "reason-of", id), "server namespace disconnect");
      socket.connect();
      await once(socket, "connect");
    });

    test("hears when the server ends its connection", async () => {
      const socket = await connected("/", { ...options, reconnection: false });
      const other = socket.io.socket("/other");
      suite.clients.push(other);
      await once(other, "connect");
      const ids = [socket.id, other.id];
      const gone = Promise.all([once(socket, "disconnect"), once(other, "disconnect")]);
      socket.emit("kick", true);
      const [[reason], [otherReason]] = await gone;
      assert.equal(reason, "io server disconnect");
      assert.equal(otherReason, "io server disconnect");
      const watcher = await connected("/", options);
      assert.equal(await ask(watcher, "reason-of", ids[0]), "server namespace disconnect");
      assert.equal(await ask(watcher, "reason-of", ids[1]), "server namespace disconnect");
    });

    test("leaves by itself", async () => {
      const [socket, watcher] = await Promise.all([connected("/", options), connected("/", options)]);
      const { id } = socket;
      const gone = once(socket, "disconnect");
      socket.disconnect();
      assert.equal((await gone)[0], "io client disconnect");
      const reason = await until(() => ask(watcher, "reason-of", id));
      // The connection had no other namespace, so its end may overtake the packet that says so.
      assert.ok(["client namespace disconnect", "transport close"].includes(reason), reason);
    });

    test("that loses its transport is seen to leave, and comes back", async () => {
      const [socket, watcher] = await Promise.all([
        connected("/", { ...options, reconnectionDelay: 50 }), connected("/", options),
      ]);
      const { id } = socket;
      const gone = once(socket, "disconnect");
      socket.io.engine.close();
      assert.equal((await gone)[0], "forced close");
      assert.equal(await until(() => ask(watcher, "reason-of", id)), "transport close");
      if (!socket.connected) await once(socket, "connect");
      assert.notEqual(socket.id, id);
    });

    test("comes back when the server was restarted on the same port, with what it had to say", async () => {
      const socket = await connected("/", { ...options, reconnectionDelay: 50, reconnectionDelayMax: 200 });
      if (options.transports.length > 1) await upgraded(socket);
      const gone = once(socket, "disconnect");
      await suite.server.kill();
      assert.match((await gone)[0], /^transport (close|error)$/);
      const answer = ask(socket, "sum", 40, 2);
      await suite.server.start();
      await once(socket, "connect");
      assert.equal(await answer, 42);
    });
  });
}

describe("during the upgrade", () => {
  test("nothing is lost and nothing overtakes, in both directions", async () => {
    for (const _ of numbers(3)) {
      const socket = await connected("/", { transports: ["polling", "websocket"] });
      const replies = collect(socket, "echo:reply");
      const seq = collect(socket, "seq");
      let sent = 0;
      const end = Date.now() + 10_000;
      // Small portions all the while, so that some are under way at every step of the upgrade.
      const talk = async () => {
        while (sent < 1000 || (socket.io.engine.transport.name !== "websocket" && Date.now() < end)) {
          for (const _ of numbers(20)) socket.emit("echo", sent++);
          await new Promise(setImmediate);
        }
      };
      socket.emit("seq", 1000);
      await talk();
      await upgraded(socket);
      await until(() => replies.length >= sent && seq.length >= 1000, { within: 15_000, what: "all events" });
      assert.deepEqual(replies, numbers(sent));
      assert.deepEqual(seq, numbers(1000));
      socket.disconnect();
    }
  });

  test("bytes and big payloads keep whole", async () => {
    const socket = connect("/", { transports: ["polling", "websocket"] });
    await once(socket, "connect");
    const bytes = Buffer.alloc(100_000, 5);
    const answers = numbers(20).map((i) => ask(socket, "echo", i, { bytes }));
    const first = await Promise.all(answers);
    assert.deepEqual(first, numbers(20));
    await upgraded(socket);
    assert.deepEqual(await ask(socket, "bin", bytes), bytes);
  });
});

test("a crowd connects, talks and leaves at once", async () => {
  const crowd = await Promise.all(numbers(60).map((i) => connected("/", Object.values(WAYS)[i % 3])));
  assert.equal(new Set(crowd.map((socket) => socket.id)).size, 60);
  const sums = await Promise.all(crowd.map((socket, i) => ask(socket, "sum", i, i)));
  assert.deepEqual(sums, numbers(60).map((i) => 2 * i));
  const heard = Promise.all(crowd.slice(1).map((socket) => once(socket, "news")));
  crowd[0].emit("broadcast", "hello, crowd");
  for (const args of await heard) assert.deepEqual(args, ["hello, crowd"]);
});

test("the server's stop is seen as a lost transport, so clients come back", async () => {
  const socket = await connected("/", { transports: ["websocket"], reconnectionDelay: 50 });
  const gone = once(socket, "disconnect");
  await suite.server.stop();
  assert.equal((await gone)[0], "transport close");
  await suite.server.start();
  await once(socket, "connect");
  assert.equal(await ask(socket, "sum", 1, 2), 3);
});
