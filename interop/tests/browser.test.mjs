// The official browser bundles in a real browser, in a page of another origin: JSONP, XHR polling, WebSocket and upgrade.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch } from "../support/browser.mjs";
import { numbers } from "../support/clients.mjs";
import { BUNDLES, serveBundles, visit } from "../support/page.mjs";
import { TestServer } from "../support/server.mjs";

const ORIGIN = "http://app.example";
const JSONP = { transports: ["polling"], forceJSONP: true };
const WAYS = {
  JSONP: { versions: ["1.4.8", "1.7.4", "2.5.0"], options: JSONP, jsonp: true },
  "JSONP, then upgrade": { versions: ["2.5.0"], options: { ...JSONP, transports: ["polling", "websocket"] }, jsonp: true, upgrades: true },
  "XHR polling": { versions: Object.keys(BUNDLES), options: { transports: ["polling"] } },
  "polling, then upgrade": { versions: Object.keys(BUNDLES), options: { transports: ["polling", "websocket"] }, upgrades: true },
  WebSocket: { versions: ["1.7.4", "4.8.4"], options: { transports: ["websocket"] }, upgrades: true },
};

let browser;
let pages;
let server;
before(async () => {
  server = await TestServer.start("contract");
  pages = await serveBundles();
  browser = await launch([`--host-resolver-rules=MAP app.example 127.0.0.1:${pages.address().port}`]);
});
after(async () => {
  await browser?.close();
  pages?.close();
  await server?.stop();
});

for (const [way, { versions, options, jsonp = false, upgrades = false }] of Object.entries(WAYS)) {
  describe(way, { concurrency: 2 }, () => {
    for (const version of versions) {
      test(version, async (t) => {
        const { old, wideTexts } = BUNDLES[version];
        const context = await browser.newContext();
        t.after(() => context.close());
        const page = await context.newPage();
        const requests = [];
        const errors = [];
        page.on("request", (request) => requests.push(request));
        page.on("pageerror", (error) => errors.push(String(error)));
        await page.goto(`${ORIGIN}/${version}`);
        const values = ["text", 1.5, null, [[], {}], { a: { b: [true] } }, "\\ \" ' \n \t </script>"];
        if (wideTexts || options.transports[0] === "websocket") values.push("zwölf ☃ 🐟 \u2028\u2029", { "ü": "🐟" });
        const report = await page.evaluate(visit, { url: server.url, options, values });

        assert.equal(report.welcome.ns, "/");
        assert.equal(report.handshake.query.EIO, old ? "3" : "4");
        assert.deepEqual(report.echoed, values.map((value) => [value, "more"]));
        assert.deepEqual(report.bytes, [{ bytes: [0, 1, 255] }, { deep: [{ bytes: [4] }, "text"] }]);
        assert.deepEqual(report.info, [{ bytes: 2, hex: "0708" }, { bytes: -1, hex: "" }]);
        assert.deepEqual(report.made, [{ top: { bytes: [7, 7, 7] }, nested: [{ deep: { bytes: [1, 2, 3] } }, "text"] }]);
        assert.deepEqual(report.reply, ["by event", { bytes: [9] }]);
        assert.deepEqual(report.answer, ["how", { bytes: [1, 2] }]);
        assert.deepEqual(report.seq, numbers(200));
        assert.equal(report.large, 100_000);
        assert.deepEqual(report.sink, [1]);
        assert.deepEqual(report.left, ["io server disconnect"]);
        assert.equal(report.transport, upgrades ? "websocket" : "polling");
        assert.deepEqual(errors, []);
        const polls = requests.filter((request) => request.url().startsWith(server.url));
        assert.equal(polls.some((request) => /[?&]j=\d/.test(request.url())), jsonp);
        if (way === "XHR polling") {
          // Browsers tell the page's origin to another one.
          assert.equal(report.handshake.xdomain, true);
          assert.equal(report.handshake.headers.origin, ORIGIN);
        }
      });
    }
  });
}

test("a page of an origin that is not allowed can't poll", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/4.8.4`);
  const message = await page.evaluate(async (url) => {
    const socket = window.io(url, { transports: ["polling"], reconnection: false });
    return new Promise((resolve) => {
      socket.on("connect", () => resolve("connected"));
      socket.on("connect_error", (error) => resolve(error.message));
    });
  }, server.url);
  assert.equal(message, "xhr poll error");
});
