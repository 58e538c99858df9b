// The example of private messages in a real browser, and by a client without a page.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { NETWORK, stage } from "../support/stage.mjs";
import { once, until } from "../support/wait.mjs";

const example = stage("private-messages");
const { device, open, person, secondDevice, noErrors } = example;

/** A client without a page: resolves with it and what it is welcomed with. */
async function client(name, key = `key of ${name}`, options = {}) {
  const socket = io(example.server.url, { auth: { name, key }, forceNew: true, ...options });
  const [welcome] = await once(socket, "welcome");
  return { socket, welcome };
}

const texts = (one) => one.page.locator(".message p").allTextContents();

describe("two users", () => {
  test("write to each other, and see what the other has read", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    await ada.entry("@Bob").click();
    await ada.say("for your eyes only");
    await bob.badge("@Ada").getByText("1", { exact: true }).waitFor();
    await ada.page.locator(".message.sent").waitFor();
    assert.equal(await ada.page.locator(".message.seen").count(), 0);

    await bob.entry("@Ada").click();
    await bob.message("for your eyes only").waitFor();
    await ada.page.locator(".message.seen").waitFor();
    assert.equal(await bob.badge("@Ada").count(), 0);
    // What comes while one looks is read at once.
    await bob.say("thank you");
    await ada.message("thank you").waitFor();
    await bob.page.locator(".message.seen").waitFor();
    noErrors();
  });

  test("are heard by nobody else", async () => {
    const ada = await person("Ada");
    const bob = await client("Bob");
    const eve = await client("Eve");
    const heard = [];
    eve.socket.onAny((event) => heard.push(event));
    const arrived = once(bob.socket, "message");
    try {
      await ada.entry("@Bob").click();
      await ada.field.pressSequentially("a secret");
      await ada.field.press("Enter");
      const [message] = await arrived;
      assert.equal(message.text, "a secret");
      await bob.socket.emitWithAck("read", "Ada");
      await ada.page.locator(".message.seen").waitFor();
      assert.deepEqual(heard, []);
    } finally {
      bob.socket.close();
      eve.socket.close();
    }
    noErrors();
  });

  test("see each other typing, and see it end", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    await bob.entry("@Ada").click();
    await ada.entry("@Bob").click();
    await ada.field.pressSequentially("hm");
    await bob.typing.getByText("Ada is typing").waitFor();
    await ada.field.press("Enter");
    await until(async () => (await bob.typing.textContent()) === "", { within: 1500, what: "the end by sending" });
    noErrors();
  });

  test("get what they wrote as text, never as markup", async () => {
    const ada = await person("<b>Ada</b>");
    const bob = await person("Bob");
    await ada.entry("@Bob").click();
    await ada.say("<img src=x onerror=alert(1)>");
    await bob.entry("@<b>Ada</b>").click();
    await bob.message("<img src=x onerror=alert(1)>").waitFor();
    assert.equal(await bob.page.locator(".message img, .entry b").count(), 0);
    noErrors();
  });
});

describe("somebody with several devices", () => {
  test("gets everything on all of them, and reads it once", async () => {
    const bob = await person("Bob");
    const ada = await person("Ada");
    const phone = await secondDevice(ada);
    await bob.entry("@Ada").click();
    await bob.say("one");
    for (const one of [ada, phone]) await one.badge("@Bob").getByText("1", { exact: true }).waitFor();

    await ada.entry("@Bob").click();
    await until(async () => (await phone.badge("@Bob").count()) === 0, { what: "reading on both" });
    await ada.say("two");
    await phone.entry("@Bob").click();
    await phone.message("two").and(phone.page.locator(".mine")).waitFor();
    assert.deepEqual(await texts(phone), ["one", "two"]);
    assert.deepEqual(await texts(ada), ["one", "two"]);
    noErrors();
  });

  test("comes with the first and goes with the last", async () => {
    const bob = await person("Bob");
    const ada = await person("Ada");
    const phone = await secondDevice(ada);
    const away = bob.page.locator(".entry.offline", { hasText: "Ada" });
    await bob.page.locator(".entry:not(.offline)", { hasText: "Ada" }).waitFor();
    await bob.page.evaluate(() => {
      window.heard = [];
      window.messages.socket.on("presence", ({ name, online }) => window.heard.push([name, online]));
    });
    await ada.page.close();
    await bob.entry("@Ada").click();
    await bob.say("still there?");
    await phone.badge("@Bob").waitFor();
    assert.equal(await away.count(), 0);
    await phone.page.close();
    await away.waitFor();
    await bob.page.getByText("away: gets your messages later").waitFor();
    assert.deepEqual(await bob.page.evaluate(() => window.heard), [["Ada", false]]);
    noErrors();
  });

  test("finds the whole mailbox on a new one", async () => {
    const bob = await person("Bob");
    const ada = await person("Ada");
    await ada.entry("@Bob").click();
    await ada.say("from the desk");
    await ada.page.locator(".message.sent").waitFor();
    await bob.entry("@Ada").click();
    await ada.page.locator(".message.seen").waitFor();
    const phone = await secondDevice(ada);
    await phone.entry("@Bob").click();
    await phone.message("from the desk").and(phone.page.locator(".mine.seen")).waitFor();
    noErrors();
  });
});

describe("who is away", () => {
  test("finds what came meanwhile as unread", async () => {
    const ada = await client("Ada");
    const bob = await client("Bob");
    const said = (id) => bob.socket.emitWithAck("say", { id, to: { user: "Ada" }, text: `message ${id}` });
    ada.socket.close();
    await once(bob.socket, "presence");
    for (const id of ["1", "2"]) assert.equal((await said(id)).text, `message ${id}`);
    bob.socket.close();

    const page = await open(await device(), undefined, { url: `${example.server.url}/#name=Ada&key=key+of+Ada` });
    await page.badge("@Bob").getByText("2", { exact: true }).waitFor();
    assert.match(await page.page.title(), /^\(2\) /);
    await page.entry("@Bob").click();
    assert.deepEqual(await texts(page), ["message 1", "message 2"]);
    await page.page.reload();
    await page.online();
    assert.equal(await page.badge("@Bob").count(), 0);
    noErrors();
  });

  test("keeps the last hundred messages, not more", async () => {
    const bob = await client("Bob");
    (await client("Ada")).socket.close();
    for (let id = 0; id < 103; id += 1) bob.socket.emit("say", { id: String(id), to: { user: "Ada" }, text: "hi" });
    await bob.socket.emitWithAck("say", { id: "last", to: { user: "Ada" }, text: "hi" });
    bob.socket.close();
    const ada = await client("Ada");
    ada.socket.close();
    assert.equal(ada.welcome.mail.length, 100);
    assert.equal(ada.welcome.mail.at(-1).id, "last");
  });

  test("has the name kept: another key does not open it", async () => {
    (await client("Ada")).socket.close();
    const thief = io(example.server.url, { auth: { name: "Ada", key: "guessed" }, forceNew: true });
    const [error] = await once(thief, "connect_error");
    thief.close();
    assert.equal(error.message, "“Ada” is taken by somebody else");
  });
});

test("what no page says is refused, and those who go by the rules notice nothing", async () => {
  const ada = await client("Ada");
  const bob = await client("Bob");
  try {
    for (const auth of [undefined, {}, { name: "Eve" }, { name: 7, key: [] }, { name: "\u202eeve", key: "k" }]) {
      const stranger = io(example.server.url, { auth, forceNew: true });
      await once(stranger, "connect_error");
      stranger.close();
    }
    const malformed = { error: "this page does not speak as expected, please reload it" };
    const good = { id: "1", to: { user: "Bob" }, text: "hi" };
    for (const draft of [undefined, 7, [], {}, { ...good, id: "" }, { ...good, to: "Bob" }, { ...good, text: null }]) {
      assert.deepEqual(await ada.socket.emitWithAck("say", draft), malformed);
    }
    const refused = async (draft) => (await ada.socket.emitWithAck("say", { ...good, ...draft })).error;
    assert.equal(await refused({ text: "x".repeat(1001) }), "a message has 1 to 1000 characters");
    assert.equal(await refused({ to: { user: "Nobody" } }), "nobody here is called Nobody");
    assert.equal(await refused({ to: { user: "Ada" } }), "nobody here is called Ada");
    assert.deepEqual(await ada.socket.emitWithAck("read", { of: "Bob" }), malformed);
    ada.socket.emit("typing", "Bob");
    ada.socket.emit("never heard of", Buffer.alloc(1000));
    const arrived = once(bob.socket, "message");
    assert.equal((await ada.socket.emitWithAck("say", good)).text, "hi");
    assert.equal((await arrived)[0].from, "Ada");
  } finally {
    ada.socket.close();
    bob.socket.close();
  }
});

test("what was written while the server was gone is sent when it is back, once", async () => {
  const ada = await person("Ada");
  const bob = await person("Bob");
  await ada.entry("@Bob").click();
  await bob.entry("@Ada").click();
  await ada.say("before");
  await bob.message("before").waitFor();
  await example.server.kill();
  await ada.banner.getByText("Connection lost").waitFor();
  await ada.say("written while away");
  await bob.banner.getByText("Connection lost").waitFor();
  await example.server.start();
  // The new server knows nobody before they are back.
  await bob.banner.getByText("Connected again").waitFor();
  await ada.page.locator(".message.waiting").waitFor({ state: "detached" });
  if (await ada.page.locator(".message.refused").count()) await ada.page.getByText("Send again").click();
  await bob.message("written while away").waitFor();
  assert.deepEqual(await texts(bob), ["before", "written while away"]);
  noErrors(NETWORK);
});

describe("the page", () => {
  test("fits a phone, where it begins with the contacts", async () => {
    const ada = await person("Ada", { colorScheme: "light" });
    const bob = await person("Bob", { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, colorScheme: "dark" });
    await bob.entry("@Ada").waitFor();
    await bob.page.waitForTimeout(300);
    await bob.screenshot("messages-phone-contacts");
    await bob.entry("@Ada").tap();
    await ada.entry("@Bob").click();
    await talk(ada, bob);
    await bob.fits();
    await bob.screenshot("messages-phone");
    noErrors();
  });

  test("is drawn for light and dark", async () => {
    const ada = await person("Ada", { colorScheme: "light", viewport: { width: 1280, height: 760 } });
    const bob = await person("Bob", { colorScheme: "dark" });
    (await person("Cleo")).page.close();
    await ada.screenshot("messages-start");
    await ada.entry("@Bob").click();
    await bob.entry("@Ada").click();
    await talk(ada, bob);
    await ada.screenshot("messages-light");
    await bob.screenshot("messages-dark");
    noErrors();
  });

  test("can be used with the keyboard alone, and has names for a screen reader", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    assert.deepEqual(await ada.nameless(), []);
    const { keyboard } = ada.page;
    const focused = () => ada.page.evaluate(() => document.activeElement.id || document.activeElement.dataset.key);
    await ada.entry("@Bob").waitFor();
    await until(async () => {
      await keyboard.press("Tab");
      return (await focused()) === "@Bob";
    }, { what: "the contact by Tab" });
    await keyboard.press("Enter");
    assert.equal(await focused(), "text");
    await keyboard.type("no mouse needed");
    await keyboard.press("Enter");
    await bob.badge("@Ada").waitFor();
    noErrors();
  });
});

/** A talk as it may be, to look at. */
async function talk(ada, bob) {
  await ada.say("Are you coming to the river tonight?");
  await bob.message("Are you coming to the river tonight?").waitFor();
  await bob.say("Yes, straight after work. I bring the lamp and the good thermos, you bring your patience: last year we waited until ten.");
  await ada.message("Yes, straight after work. I bring the lamp and the good thermos, you bring your patience: last year we waited until ten.").waitFor();
  await ada.say("Agreed");
  await ada.page.locator(".message.seen").last().waitFor();
  await bob.field.pressSequentially("See y");
  await ada.typing.getByText("Bob is typing").waitFor();
}
