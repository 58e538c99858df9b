// The example of notices: pushed by HTTP, checked by token, shown in a real browser.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { io } from "socket.io-client";
import { watch } from "../support/browser.mjs";
import { Proxy } from "../support/proxy.mjs";
import { NETWORK, stage } from "../support/stage.mjs";
import { once, pause, until } from "../support/wait.mjs";

const KEY = "the key of who publishes";
const TOKENS = { ada: "token-of-ada-0123", bob: "token-of-bob-4567" };
const args = ["--key", KEY, "--reader", `ada:${TOKENS.ada}`, "--reader", `bob:${TOKENS.bob}`];
const example = stage("notices", { args });

const clients = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

function connect(query, { namespace = "/notice", ...options } = {}) {
  const client = io(example.server.url + namespace, { path: "/notice", query, forceNew: true, ...options });
  clients.push(client);
  return client;
}

async function reader(name, topics = [], options = {}) {
  const client = connect({ token: TOKENS[name] }, { auth: { topics }, ...options });
  client.heard = [];
  client.on("notice", (notice) => client.heard.push(notice.title));
  const [welcome] = await once(client, "welcome");
  assert.equal(welcome.name, name);
  return client;
}

/** Asks the server to publish; resolves with the status and what it says. */
async function publish(notice, { key = KEY, body = JSON.stringify(notice), type = "application/json" } = {}) {
  const headers = { "content-type": type, ...(key && { "x-api-key": key }) };
  const response = await fetch(`${example.server.url}/notices`, { method: "POST", headers, body });
  const text = await response.text();
  return { status: response.status, text, ...(response.status === 202 && JSON.parse(text)) };
}

describe("a notice", () => {
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`reaches everybody over ${transports.join(" and ")}`, async () => {
      const ada = await reader("ada", [], { transports });
      const bob = await reader("bob", [], { transports });
      const heard = [once(ada, "notice"), once(bob, "notice")];
      const { status, id, devices } = await publish({ title: "Fire drill", text: "at ten" });
      assert.deepEqual([status, devices], [202, 2]);
      for (const [notice] of await Promise.all(heard)) {
        assert.ok(Math.abs(notice.at - Date.now()) < 60_000);
        assert.deepEqual({ ...notice, at: 0 }, { id, title: "Fire drill", text: "at ten", to: "all", at: 0 });
      }
    });
  }

  test("for a topic reaches those who follow it", async () => {
    const ada = await reader("ada", ["trains"]);
    const bob = await reader("bob", ["weather"]);
    assert.equal((await publish({ title: "one", to: { topic: "trains" } })).devices, 1);
    assert.equal(await bob.emitWithAck("follow", "trains"), true);
    assert.equal((await publish({ title: "two", to: { topic: "trains" } })).devices, 2);
    assert.equal(await ada.emitWithAck("unfollow", "trains"), true);
    assert.equal((await publish({ title: "three", to: { topic: "trains" } })).devices, 1);
    await publish({ title: "all" });
    await until(() => ada.heard.at(-1) === "all" && bob.heard.at(-1) === "all", { what: "the last notice" });
    assert.deepEqual([ada.heard, bob.heard], [["one", "two", "all"], ["two", "three", "all"]]);
    assert.equal(await ada.emitWithAck("follow", "gossip"), false);
  });

  test("for one user reaches all devices of that user", async () => {
    const devices = [await reader("ada"), await reader("ada"), await reader("bob")];
    assert.equal((await publish({ title: "for you", to: { user: "ada" } })).devices, 2);
    await publish({ title: "all" });
    await until(() => devices.every(({ heard }) => heard.at(-1) === "all"), { what: "the last notice" });
    assert.deepEqual(devices.map(({ heard }) => heard), [["for you", "all"], ["for you", "all"], ["all"]]);
  });
});

describe("who publishes", () => {
  test("needs the key", async () => {
    const ada = await reader("ada");
    for (const key of [null, "", "wrong", `${KEY} `.repeat(2)]) {
      assert.equal((await publish({ title: "forged" }, { key })).status, 401, key);
    }
    // Even the largest body is refused for its key first.
    assert.equal((await publish({ title: "x".repeat(100_000) }, { key: "wrong" })).status, 401);
    await pause(100);
    assert.deepEqual(ada.heard, []);
  });

  test("is told what is wrong with a notice", async () => {
    const ada = await reader("ada");
    const cases = [
      [{ title: "" }, 422, /`title` has 0 characters: expected 1 to 80/],
      [{ title: "x".repeat(81) }, 422, /`title` has 81 characters/],
      [{ title: "t", text: "x".repeat(2001) }, 422, /`text` has 2001 characters/],
      [{ text: "no title" }, 422, /missing field `title`/],
      [{ title: "t", topic: "trains" }, 422, /unknown field `topic`/],
      [{ title: "t", to: { user: "eve" } }, 404, /nobody/],
      [{ title: "t", to: { topic: "gossip" } }, 404, /nobody/],
      [{ title: "t", to: "nobody" }, 422, /unknown variant/],
      [{ title: "x".repeat(20_000) }, 413, /./],
    ];
    for (const [notice, status, text] of cases) {
      const answer = await publish(notice);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text, text);
    }
    assert.equal((await publish(null, { body: "{" })).status, 400);
    assert.equal((await publish(null, { body: "title=t", type: "text/plain" })).status, 415);
    assert.equal((await fetch(`${example.server.url}/notices`)).status, 405);
    await pause(100);
    assert.deepEqual(ada.heard, []);
  });
});

describe("who reads", () => {
  test("needs a token, and is told so with data", async () => {
    const cases = [
      [{}, { code: "missing_token", hint: "this needs a token" }],
      [{ token: "" }, { code: "unknown_token", hint: "nobody has this token" }],
      [{ token: TOKENS.ada.slice(0, -1) }, { code: "unknown_token", hint: "nobody has this token" }],
    ];
    for (const [query, data] of cases) {
      for (const transports of [["polling"], ["websocket"]]) {
        const [error] = await once(connect(query, { transports }), "connect_error");
        assert.equal(error.message, "unauthorized");
        assert.deepEqual(error.data, data);
      }
    }
    assert.equal((await publish({ title: "for nobody" })).devices, 0);
  });

  test("finds nothing in the main namespace, and nothing under another path", async () => {
    const [error] = await once(connect({ token: TOKENS.ada }, { namespace: "/" }), "connect_error");
    assert.equal(error.message, "there is nothing here but the namespace /notice");
    assert.equal((await fetch(`${example.server.url}/socket.io/?EIO=4&transport=polling`)).status, 404);
  });
});

describe("the page", () => {
  async function open(url, options) {
    const page = watch(await (await example.device(options)).newPage());
    example.pages.push(page);
    await page.page.goto(example.server.url + url);
    return page;
  }
  const online = ({ page }) => page.locator("body[data-state=online]").waitFor();

  test("shows notices, newest first, and follows topics", async () => {
    const ada = await open(`/?token=${TOKENS.ada}`);
    await online(ada);
    await ada.page.getByText("No notices yet").waitFor();
    await ada.page.getByLabel("trains").check();
    await until(async () => (await publish({ title: "Track 3 is closed", to: { topic: "trains" } })).devices === 1);
    await ada.page.getByRole("heading", { name: "Track 3 is closed" }).first().waitFor();
    await publish({ title: "<b>Lunch</b> & more", to: { user: "ada" } });
    await ada.page.getByRole("heading", { name: "<b>Lunch</b> & more" }).waitFor();
    assert.equal(await ada.page.locator(".tag").first().textContent(), "For you");
    assert.equal(await ada.page.locator(".notice-card b").count(), 0);
    assert.deepEqual(await ada.nameless(), []);

    await ada.page.reload();
    await online(ada);
    assert.equal(await ada.page.getByLabel("trains").isChecked(), true);
    assert.equal((await publish({ title: "still", to: { topic: "trains" } })).devices, 1);
    await ada.page.getByLabel("trains").uncheck();
    await until(async () => (await publish({ title: "gone", to: { topic: "trains" } })).devices === 0);
    example.noErrors();
  });

  test("asks for a token where there is none or a wrong one", async () => {
    const ada = await open("/?token=wrong", { colorScheme: "light" });
    await ada.page.getByText("Nobody has this token.").waitFor();
    await ada.screenshot("notices-token");
    await ada.page.getByLabel("Token").fill(TOKENS.ada);
    await ada.page.keyboard.press("Enter");
    await online(ada);
    await ada.page.getByText("ada", { exact: true }).waitFor();
    assert.equal(await ada.page.getByLabel("Token").isVisible(), false);
    const nobody = await open("/");
    await nobody.page.getByLabel("Token").waitFor();
    // The client asks once more for a session that it is just closing.
    example.noErrors(NETWORK);
  });

  test("comes back by itself when the server does", async () => {
    const ada = await open(`/?token=${TOKENS.ada}`);
    await online(ada);
    await ada.page.getByLabel("weather").check();
    await example.server.kill();
    await ada.page.getByText("trying again").waitFor();
    await example.server.start();
    await online(ada);
    await publish({ title: "Storm", to: { topic: "weather" } });
    await ada.page.getByRole("heading", { name: "Storm" }).waitFor();
    example.noErrors(NETWORK);
  });

  test("gets what was published while its connection was lost, once and in order", async () => {
    const proxy = await Proxy.start(example.server.port);
    try {
      const page = watch(await (await example.device()).newPage());
      example.pages.push(page);
      await page.page.goto(`${proxy.url}/?token=${TOKENS.ada}`);
      await online(page);
      await page.page.getByLabel("trains").check();
      await until(() => page.page.evaluate(() => window.notices.socket.io.engine.transport.name === "websocket"));
      const expected = [];
      for (const round of ["first", "second"]) {
        proxy.cut();
        await page.page.getByText("trying again").waitFor();
        // Until the server has noticed the end of the old connection: what it sends there before is missed like all else.
        const forAll = [];
        await until(async () => {
          forAll.push(`${round} for all`);
          return (await publish({ title: forAll.at(-1) })).devices === 0;
        }, { what: "the end of the old connection" });
        await publish({ title: `${round} for trains`, to: { topic: "trains" } });
        await publish({ title: `${round} for weather`, to: { topic: "weather" } });
        await publish({ title: `${round} for ada`, to: { user: "ada" } });
        await publish({ title: `${round} for bob`, to: { user: "bob" } });
        proxy.mend();
        await online(page);
        assert.equal(await page.page.evaluate(() => window.notices.socket.recovered), true);
        expected.unshift(`${round} for ada`, `${round} for trains`, ...forAll);
        await page.page.getByText(expected[0]).waitFor();
        assert.deepEqual(await page.page.locator(".notice-card h2").allTextContents(), expected);
      }
      example.noErrors(NETWORK);
    } finally {
      await proxy.stop();
    }
  });

  test("is drawn for a desk and a phone, light and dark", async () => {
    const light = await open(`/?token=${TOKENS.ada}`, { colorScheme: "light", viewport: { width: 1280, height: 760 } });
    const dark = await open(`/?token=${TOKENS.ada}`, { colorScheme: "dark", viewport: { width: 390, height: 780 }, isMobile: true });
    for (const one of [light, dark]) {
      await online(one);
      await one.page.getByLabel("trains").check();
    }
    await until(async () => (await publish({ title: "Track 3 is closed", text: "Take the bus from the north exit.\nWe are sorry.", to: { topic: "trains" } })).devices === 2);
    await publish({ title: "Your parcel is here", text: "It waits at the desk until six.", to: { user: "ada" } });
    await publish({ title: "Fire drill at ten", text: "The lifts stand still meanwhile. Please use the stairs on the river side, and bring nothing with you." });
    for (const [one, name] of [[light, "notices-light"], [dark, "notices-phone"]]) {
      await one.page.getByRole("heading", { name: "Fire drill at ten" }).waitFor();
      await one.fits();
      await one.screenshot(name);
    }
    example.noErrors();
  });
});
