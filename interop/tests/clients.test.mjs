// Every major version of the official client against the contract server, over every transport it has.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { CLIENTS, answers, ask, collect, connected, next, numbers, settled } from "../support/clients.mjs";
import { WAYS, serve } from "../support/suite.mjs";
import { once, pause, until } from "../support/wait.mjs";

let described = 0;
const suite = serve(undefined, { name: "contract" });

// Most of the time they wait, so several clients can be tested at once.
describe("the official client", { concurrency: 3 }, () => {
  for (const { version, io, old, query, wideTexts, knowsId, recovers = false } of CLIENTS) {
    for (const [way, ways] of Object.entries(WAYS)) {
      const clients = [];
      // Namespaces of its own, where nobody else broadcasts.
      const number = described += 1;
      const tenant = (n) => `/tenant-${number}${n}`;
      const upgrades = ways.transports.length > 1;
      const options = { ...ways, reconnectionDelay: 50, reconnectionDelayMax: 100 };
      const refusal = old ? "error" : "connect_error";
      const wide = wideTexts || (way === "WebSocket only");

      const open = (path, more) => keep(io(suite.server.url + path, { forceNew: true, ...options, ...more }));
      const keep = (client) => {
        clients.push(client);
        return client;
      };
      const enter = (path, more) => connected(open(path, more));
      const upgraded = (socket) =>
        until(() => socket.io.engine?.transport.name === "websocket", { what: "the upgrade" });

      describe(`${version}, ${way}`, { concurrency: 1 }, () => {
        afterEach(() => {
          for (const client of clients.splice(0)) client.disconnect();
        });

        test("connects, is welcomed, and uses its transport", async () => {
          const socket = open("/");
          const [welcome] = await next(socket, "welcome");
          assert.deepEqual(welcome, { id: socket.id, ns: "/", recovered: false });
          if (old) assert.equal(socket.id, socket.io.engine.id);
          else assert.notEqual(socket.id, socket.io.engine.id);
          if (upgrades) await upgraded(socket);
          const transport = upgrades ? "websocket" : ways.transports[0];
          assert.equal(socket.io.engine.transport.name, transport);
          await until(async () => await ask(socket, "transport") === transport);
        });

        test("enters namespaces, each with its own id and events", async () => {
          const main = await enter("/");
          const tenants = [keep(main.io.socket(tenant(1))), keep(main.io.socket(tenant(2)))];
          await Promise.all(tenants.map(connected));
          for (const [socket, name] of [[main, "/"], [tenants[0], tenant(1)], [tenants[1], tenant(2)]]) {
            assert.equal(await ask(socket, "namespace"), name);
            const id = await ask(socket, "id");
            if (old) assert.equal(id, name === "/" ? main.io.engine.id : `${name}#${main.io.engine.id}`);
            if (knowsId) assert.equal(id, socket.id);
          }
          const [, other] = tenants;
          const news = tenants.map((socket) => collect(socket, "news"));
          await answers(other, "broadcast-all", "of this tenant");
          await settled(...tenants);
          assert.deepEqual(news, [[], ["of this tenant"]]);
        });

        test("is refused with data, or told that there is no such namespace", async () => {
          const [error] = await once(open("/admin"), refusal);
          if (old) assert.deepEqual(error, { code: 401, hint: "token" });
          else assert.deepEqual([error.message, error.data], ["not authorized", { code: 401, hint: "token" }]);
          const [unknown] = await once(open("/tenant-x"), refusal);
          assert.match(old ? JSON.stringify(unknown) : unknown.message, /Invalid namespace/);
          const [unwanted] = await once(open("/", { query: old ? "fail=1" : { fail: "1" } }), refusal);
          assert.deepEqual(old ? unwanted : unwanted.data, { code: 4001 });
        });

        if (query || !old) {
          test("is let in with what it knows", async () => {
            const admin = old ? await enter("/admin?token=secret") : await enter("/admin", { auth: { token: "secret" } });
            assert.equal((await ask(admin, "handshake")).auth.token, "secret");
          });
        }

        test("tells its query with the connection", async () => {
          const socket = await enter("/", { query: old ? "who=me%26you" : { who: "me&you" } });
          const handshake = await ask(socket, "handshake");
          assert.equal(handshake.query.who, "me&you");
          assert.equal(handshake.query.EIO, old ? "3" : "4");
          assert.equal(handshake.query.transport, ways.transports[0]);
        });

        test("sends and gets values of every kind", async () => {
          const socket = await enter("/");
          const cases = [
            [], ["text"], [1, 2.5, -3e-7, 9007199254740991], [true, false, null], [[], {}, [[]], ""],
            [{ deep: { er: [1, { still: "ok" }] } }], ["\\ \" \n \t"], [["a", "list"], "behind it"],
          ];
          if (wide) cases.push(["zwölf ☃ 🐟 𝒳 \u2028"], [{ "schlüssel 🗝": "ü" }]);
          for (const args of cases) {
            socket.emit("echo", ...args);
            assert.deepEqual(await next(socket, "echo:reply"), args);
            assert.deepEqual(await answers(socket, "echo", ...args), args);
          }
          assert.equal(await ask(socket, "sink", 1, null, "three"), 3);
          socket.send("by send");
          assert.deepEqual(await next(socket, "message"), ["by send"]);
        });

        test("sends and gets bytes, nested ones too, in events and acks", async () => {
          const socket = await enter("/");
          const all = Buffer.from(numbers(256));
          const nested = { file: all, name: "x.bin", parts: [Buffer.from([1]), { deep: Buffer.from([2, 3]) }] };
          for (const data of [all, nested]) {
            socket.emit("echo", data, "between", Buffer.from([9]));
            assert.deepEqual(await next(socket, "echo:reply"), [data, "between", Buffer.from([9])]);
            assert.deepEqual(await answers(socket, "echo", data, 1), [data, 1]);
          }
          const made = { top: Buffer.alloc(1000, 7), nested: [{ deep: Buffer.from([1, 2, 3]) }, "text"] };
          assert.deepEqual(await ask(socket, "bin-make", 1000), made);
          socket.emit("bin-push", 1000);
          assert.deepEqual(await next(socket, "bin"), [made]);
          assert.deepEqual(await answers(socket, "bin-info", all, "no", Buffer.from([4, 255])), [
            { bytes: 256, hex: "000102030405060708090a0b0c0d0e0f" }, { bytes: -1, hex: "" }, { bytes: 2, hex: "04ff" },
          ]);
        });

        test("answers the server's question, with bytes, or lets it go unanswered", async () => {
          const socket = await enter("/");
          socket.once("question", (question, answer) => answer({ [question]: Buffer.from([1, 2]) }));
          socket.emit("ask", "how");
          assert.deepEqual(await next(socket, "answer"), [{ how: Buffer.from([1, 2]) }]);
          socket.once("question", (one, two, answer) => answer(one, two));
          socket.emit("ask-timeout", 2000, "both", ["of", "them"]);
          assert.deepEqual(await next(socket, "answer"), ["both", ["of", "them"]]);
          socket.emit("ask-timeout", 100, "anybody?");
          await next(socket, "answer-timeout");
        });

        test("joins rooms and hears what is for them, and nothing else", async () => {
          const [a, b, c] = await Promise.all([enter(tenant(3)), enter(tenant(3)), enter(tenant(3))]);
          const [idOfA, idOfB] = [await ask(a, "id"), await ask(b, "id")];
          const [room, muted] = [wide ? "tea 🍵" : "tea", "muted"];
          assert.deepEqual(await ask(a, "join", room), [idOfA, room].sort());
          assert.deepEqual(await ask(b, "join", [room, muted]), [idOfB, muted, room].sort());
          const news = [a, b, c].map((socket) => collect(socket, "news"));
          await answers(a, "to-room", room, "to");
          await answers(a, "in-room", [room, muted], Buffer.from([7]));
          await answers(c, "to-room-except", room, muted, "not b", 2);
          await answers(b, "all-except", [muted], "all but b");
          await answers(b, "broadcast", "all but b again");
          await answers(c, "broadcast-all", "all");
          assert.deepEqual(await ask(a, "leave", room), [idOfA]);
          await answers(a, "in-room", room, "after a left");
          await settled(a, b, c);
          assert.deepEqual(news, [
            [Buffer.from([7]), ["not b", 2], "all but b", "all but b again", "all"],
            ["to", Buffer.from([7]), "all", "after a left"],
            ["all but b", "all but b again", "all"],
          ]);
        });

        test("gets a private message by its id", async () => {
          const [a, b] = await Promise.all([enter("/"), enter("/")]);
          const heard = next(b, "private");
          await answers(a, "private", b.id, { text: "psst" }, 2);
          assert.deepEqual(await heard, [a.id, { text: "psst" }, 2]);
        });

        test("keeps 1,000 numbered events in order, both ways, also through an upgrade", async () => {
          const socket = open("/");
          const replies = collect(socket, "echo:reply");
          const seq = collect(socket, "seq");
          await connected(socket);
          for (const i of numbers(1000)) socket.emit("echo", i);
          socket.emit("seq", 1000);
          await until(() => replies.length >= 1000 && seq.length >= 1000, { within: 20_000, what: "2,000 events" });
          assert.deepEqual(replies, numbers(1000));
          assert.deepEqual(seq, numbers(1000));
        });

        test("gets a volatile event when the line is free", async () => {
          const socket = await enter("/");
          if (upgrades) await upgraded(socket);
          const news = collect(socket, "news", { offset: false });
          // One may be lost on its way between two polls; with many tries none arriving would be a fault.
          await until(async () => {
            socket.emit("volatile", "now");
            await pause(50);
            return news.length > 0;
          }, { what: "a volatile event" });
          socket.emit("volatile-flood", 100, 1000);
          assert.deepEqual(await next(socket, "flood-end"), [100]);
        });

        test("sends and gets a big message, compressed or not", async () => {
          const socket = await enter("/");
          const text = "0123456789".repeat(4500);
          assert.equal(await ask(socket, "echo", text), text);
          const bytes = Buffer.alloc(45_000, 7);
          assert.deepEqual(await ask(socket, "echo", bytes), bytes);
          assert.equal((await ask(socket, "large", 1_000_000)).length, 1_000_000);
          for (const compress of [true, false]) {
            socket.emit("compress", compress, 50_000);
            assert.equal((await next(socket, "blob"))[0], "x".repeat(50_000));
          }
        });

        test("is cut off above the limit, alone, and comes back", async () => {
          const [socket, bystander] = await Promise.all([enter("/"), enter("/")]);
          if (upgrades) await upgraded(socket);
          const { id } = socket;
          const gone = once(socket, "disconnect");
          socket.emit("echo", "x".repeat(100_001));
          assert.match((await gone)[0], /^transport (error|close)$/);
          // A polling client that was refused with 413 just stays away: its silence tells.
          assert.match(await until(() => ask(bystander, "reason-of", id)), /^(transport (error|close)|ping timeout)$/);
          await connected(socket);
          assert.equal(socket.id === id, recovers);
        });

        test("hears when the server ends its namespace or its connection, and comes back when it wants", async () => {
          const watcher = await enter("/");
          for (const close of [false, true]) {
            const socket = await enter("/");
            if (upgrades) await upgraded(socket);
            const { id } = socket;
            const gone = once(socket, "disconnect");
            socket.emit("kick", close);
            assert.equal((await gone)[0], "io server disconnect");
            assert.equal(await until(() => ask(watcher, "reason-of", id)), "server namespace disconnect");
            if (old && !close) continue;
            socket.connect();
            await once(socket, "connect");
            assert.equal(await ask(socket, "echo", "back"), "back");
          }
        });

        test("leaves by itself, one namespace or all", async () => {
          const [main, watcher] = await Promise.all([enter("/"), enter("/")]);
          const leaving = await connected(keep(main.io.socket(tenant(4))));
          const id = await ask(leaving, "id");
          leaving.disconnect();
          const other = await connected(keep(watcher.io.socket(tenant(4))));
          assert.equal(await until(() => ask(other, "reason-of", id)), "client namespace disconnect");
          assert.equal(await ask(main, "echo", "still here"), "still here");
          const mainId = main.id;
          main.disconnect();
          const reason = await until(() => ask(watcher, "reason-of", mainId));
          // The end of the connection may overtake the packet that says so.
          assert.match(reason, /^(client namespace disconnect|transport close)$/);
        });

        test("that loses its transport is seen to leave, and comes back with what it had to say", async () => {
          const [socket, watcher] = await Promise.all([enter("/"), enter("/")]);
          const { id } = socket;
          const gone = once(socket, "disconnect");
          socket.io.engine.close();
          await gone;
          socket.emit("echo", "said meanwhile");
          assert.deepEqual(await next(socket, "echo:reply"), ["said meanwhile"]);
          assert.equal(socket.id === id, recovers);
          assert.equal(await until(() => ask(watcher, "reason-of", id)), "transport close");
        });

        test("stays while it is silent, past several heartbeats", async () => {
          const socket = await enter("/");
          const gone = collect(socket, "disconnect", { offset: false });
          const { id } = socket;
          await pause(3200);
          const watcher = gone.length > 0 && await enter("/");
          assert.deepEqual(gone, [], `the server said ${watcher && await ask(watcher, "reason-of", id)}`);
          assert.equal(socket.id, id);
        });
      });
    }
  }
});
