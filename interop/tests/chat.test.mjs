// The chat example in a real browser.

import assert from "node:assert/strict";
import net from "node:net";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { ChatPage } from "../support/browser.mjs";
import { Proxy } from "../support/proxy.mjs";
import { NETWORK, stage } from "../support/stage.mjs";
import { once, pause, until } from "../support/wait.mjs";

const chat = stage("chat");
const { device, open, person, secondDevice, noErrors } = chat;

describe("two people", () => {
  test("join, talk, see each other's names and leave", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    await ada.page.getByText("Bob joined").waitFor();
    await ada.entry("@Bob").waitFor();
    await bob.entry("@Ada").waitFor();

    await ada.say("Good morning, Bob 🐟");
    await bob.message("Good morning, Bob 🐟").waitFor();
    assert.equal(await bob.message("Good morning, Bob 🐟").locator(".author").textContent(), "Ada");
    await ada.message("Good morning, Bob 🐟").and(ada.page.locator(".sent")).waitFor();

    await bob.page.close();
    await ada.page.getByText("Bob left").waitFor();
    await until(async () => (await ada.entry("@Bob").count()) === 0, { what: "Bob's leaving of the list" });
    noErrors();
  });

  test("reach the WebSocket by upgrade", async () => {
    const ada = await person("Ada");
    await until(async () => (await ada.transport()) === "websocket", { what: "the upgrade" });
    await ada.say("over the WebSocket");
    await ada.page.locator(".message.sent").waitFor();
    noErrors();
  });

  test("can use the WebSocket from the start", async () => {
    const ada = await open(await device(), "Ada", { url: `${chat.server.url}/?transports=websocket` });
    const bob = await person("Bob");
    assert.equal(await ada.transport(), "websocket");
    assert.deepEqual(await ada.page.evaluate(() => window.chat.socket.io.opts.transports), ["websocket"]);
    await ada.say("no polling here");
    await bob.message("no polling here").waitFor();
    noErrors();
  });

  test("can stay with polling", async () => {
    const ada = await open(await device(), "Ada", { url: `${chat.server.url}/?transports=polling` });
    const bob = await person("Bob");
    await bob.say("hello, poller");
    await ada.message("hello, poller").waitFor();
    await ada.say("hello, upgraded one");
    await bob.message("hello, upgraded one").waitFor();
    assert.equal(await ada.transport(), "polling");
    noErrors();
  });

  test("see each other typing, and see it end", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    await ada.field.pressSequentially("hm");
    await bob.typing.getByText("Ada is typing").waitFor();
    // Without another key it ends by itself.
    await until(async () => (await bob.typing.textContent()) === "", { within: 6000, what: "the end of typing" });
    await ada.field.pressSequentially("m");
    await bob.typing.getByText("Ada is typing").waitFor();
    await ada.field.press("Enter");
    await until(async () => (await bob.typing.textContent()) === "", { within: 1500, what: "the end by sending" });
    noErrors();
  });

  test("get what they wrote as text, never as markup", async () => {
    const ada = await person("<b>Ada</b>");
    const bob = await person("Bob");
    const evil = `<img src=x onerror="document.title='owned'"><script>alert(1)</script>`;
    await ada.say(evil);
    await bob.message(evil).waitFor();
    assert.equal(await bob.page.locator(".message img, .message script, .message b, .entry b").count(), 0);
    await ada.enterRoom("<i>tea</i>");
    await bob.page.locator(".entry", { hasText: "<i>tea</i>" }).waitFor();
    assert.ok(!(await bob.page.title()).includes("owned"));
    noErrors();
  });

  test("cannot have the same name, and are told so", async () => {
    await person("Ada");
    const other = new ChatPage(await (await device()).newPage());
    await other.page.goto(chat.server.url);
    await other.page.getByLabel("Nickname", { exact: true }).fill("Ada");
    await other.page.keyboard.press("Enter");
    await other.page.getByText("taken by somebody else").waitFor();
    await other.page.getByLabel("Nickname", { exact: true }).fill("Eve");
    await other.page.keyboard.press("Enter");
    await other.online();
  });

  test("can change their names", async () => {
    const bob = await person("Bob");
    const ada = await person("Ada");
    await ada.page.getByLabel("Change the nickname").click();
    await bob.page.getByText("Ada left").waitFor();
    await ada.page.getByLabel("Nickname", { exact: true }).fill("Grace");
    await ada.page.keyboard.press("Enter");
    await bob.page.getByText("Grace joined").waitFor();
    await bob.entry("@Grace").waitFor();
    assert.equal(await bob.entry("@Ada").count(), 0);
    noErrors();
  });

  test("find the last messages when they come later", async () => {
    const ada = await person("Ada");
    for (const text of ["first", "second", "third"]) await ada.say(text);
    await until(async () => (await ada.page.locator(".message.sent").count()) === 3, { what: "three answers" });
    const bob = await person("Bob");
    await bob.message("third").waitFor();
    const texts = await bob.page.locator(".message p").allTextContents();
    assert.deepEqual(texts, ["first", "second", "third"]);
    assert.equal(await bob.page.locator(".badge").count(), 0);
    noErrors();
  });

  test("hear from the server what is too long", async () => {
    const ada = await person("Ada");
    await ada.page.evaluate(() => document.getElementById("text").removeAttribute("maxlength"));
    await ada.say("x".repeat(2001));
    await ada.page.getByText("Not sent: a message has 1 to 2000 characters").waitFor();
    await ada.page.getByLabel("Create or join a room").first().click();
    await ada.page.locator("#room-name").evaluate((input) => input.removeAttribute("maxlength"));
    await ada.page.locator("#room-name").fill("y".repeat(33));
    await ada.page.keyboard.press("Enter");
    await ada.page.getByText("A room's name has 1 to 32 characters.").waitFor();
    noErrors();
  });
});

describe("several devices", () => {
  test("of one user all get a private message, and show it as delivered", async () => {
    const ada = await person("Ada");
    const phone = await secondDevice(ada);
    const bob = await person("Bob");
    await ada.entry("@Bob").waitFor();

    await bob.entry("@Ada").click();
    await bob.say("only for you");
    for (const one of [ada, phone]) {
      await one.badge("@Bob").getByText("1", { exact: true }).waitFor();
      assert.match(await one.page.title(), /^\(1\) /);
      if (one === ada) await ada.screenshot("unread");
      await one.entry("@Bob").click();
      await one.message("only for you").waitFor();
      assert.equal(await one.badge("@Bob").count(), 0);
      assert.doesNotMatch(await one.page.title(), /^\(/);
    }
    await bob.page.locator(".message.delivered").waitFor();

    // What one device answers, the other has as its own.
    await ada.say("thank you");
    await bob.message("thank you").waitFor();
    await phone.message("thank you").and(phone.page.locator(".mine")).waitFor();
    await ada.page.locator(".message.delivered").waitFor();
    await ada.screenshot("private");
    noErrors();
  });

  test("count as one: only the first comes and only the last leaves", async () => {
    const bob = await person("Bob");
    const ada = await person("Ada");
    await bob.page.getByText("Ada joined").waitFor();
    const phone = await secondDevice(ada);
    await ada.page.close();
    await phone.say("still here");
    await bob.message("still here").waitFor();
    assert.equal(await bob.page.getByText("Ada joined").count(), 1);
    assert.equal(await bob.page.getByText("Ada left").count(), 0);
    await phone.page.close();
    await bob.page.getByText("Ada left").waitFor();
    noErrors();
  });

  test("share the rooms", async () => {
    const ada = await person("Ada");
    const phone = await secondDevice(ada);
    await ada.enterRoom("tea");
    await phone.page.locator('.entry[data-key="#tea"]:not(.outside)').waitFor();
    await ada.page.getByRole("button", { name: "Leave" }).click();
    await until(async () => (await phone.entry("#tea").count()) === 0, { what: "leaving on both" });
    noErrors();
  });
});

describe("rooms", () => {
  test("are made, joined, counted as unread, and left", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    await ada.enterRoom("tea");
    await bob.entry("#tea").click();
    await ada.page.getByText("Bob joined").last().waitFor();
    await bob.entry("#lobby").click();

    await ada.say("one");
    await ada.say("two");
    await bob.badge("#tea").getByText("2", { exact: true }).waitFor();
    assert.match(await bob.page.title(), /^\(2\) /);
    await bob.entry("#tea").click();
    await bob.message("two").waitFor();
    assert.doesNotMatch(await bob.page.title(), /^\(/);

    await bob.page.getByRole("button", { name: "Leave" }).click();
    await ada.page.getByText("Bob left").waitFor();
    await ada.say("alone now");
    await ada.message("alone now").and(ada.page.locator(".sent")).waitFor();
    assert.equal(await bob.badge("#tea").count(), 0);
    // The last one out takes the room with them.
    await ada.page.getByRole("button", { name: "Leave" }).click();
    await until(async () => (await bob.entry("#tea").count()) === 0, { what: "the room's end" });
    noErrors();
  });

  test("are remembered over a reload", async () => {
    const ada = await person("Ada");
    await ada.enterRoom("tea");
    await ada.page.reload();
    await ada.online();
    await ada.page.locator('.entry[data-key="#tea"]:not(.outside)').waitFor();
    noErrors();
  });
});

describe("when the server goes and comes back", () => {
  test("the state is shown and what was written meanwhile arrives once", async () => {
    const ada = await person("Ada", { colorScheme: "light" });
    const bob = await person("Bob");
    await ada.enterRoom("tea");
    await bob.entry("#tea").click();
    await ada.say("before");
    await bob.message("before").waitFor();

    await chat.server.kill();
    await ada.banner.getByText("Connection lost").waitFor();
    await ada.say("written while away");
    await ada.say("and one more");
    assert.equal(await ada.page.locator(".message.waiting").count(), 2);
    await ada.screenshot("offline");

    await chat.server.start();
    await ada.banner.getByText("Connected again").waitFor();
    await bob.message("and one more").waitFor({ timeout: 15_000 });
    await until(async () => (await ada.page.locator(".message.waiting").count()) === 0, { what: "the answers" });
    await pause(300);
    for (const one of [ada, bob]) {
      const texts = await one.page.locator(".message p").allTextContents();
      assert.deepEqual(texts, ["before", "written while away", "and one more"]);
    }
    await until(async () => ada.banner.isHidden(), { what: "the banner's end" });
    noErrors(NETWORK);
  });

  test("a message whose answer was lost is there once", async () => {
    const ada = await person("Ada");
    const bob = await person("Bob");
    await until(async () => (await ada.transport()) === "websocket", { what: "the upgrade" });
    // The connection breaks right behind the message, before the answer can come.
    await ada.field.fill("once only");
    await ada.page.evaluate(() => {
      document.getElementById("composer").requestSubmit();
      setTimeout(() => window.chat.socket.io.engine.close());
    });
    await ada.online();
    await ada.page.locator(".message.sent").waitFor({ timeout: 15_000 });
    await pause(300);
    assert.deepEqual(await bob.page.locator(".message p").allTextContents(), ["once only"]);
    noErrors(NETWORK);
  });
});

describe("when a page loses its connection for a while", () => {
  for (const transports of ["websocket", "polling", "polling,websocket"]) {
    test(`what was sent meanwhile arrives, once and in order, again and again: ${transports}`, async () => {
      const proxy = await Proxy.start(chat.server.port);
      try {
        const ada = await person("Ada");
        const bob = await person("Bob", { url: `${proxy.url}/?transports=${transports}` });
        if (transports.includes("websocket")) await until(async () => (await bob.transport()) === "websocket", { what: "the upgrade" });
        await ada.enterRoom("tea");
        await bob.entry("#tea").click();
        await ada.page.getByText("Bob joined").last().waitFor();
        await ada.entry("@Bob").click();
        await ada.entry("#tea").click();
        await bob.page.evaluate(() => {
          Object.assign(window, { welcomes: 0, ids: [window.chat.socket.id], recovered: [] });
          window.chat.socket.on("welcome", () => { window.welcomes += 1; });
          window.chat.socket.on("connect", () => {
            window.ids.push(window.chat.socket.id);
            window.recovered.push(window.chat.socket.recovered);
          });
        });

        const expected = [];
        for (const round of ["first", "second", "third"]) {
          proxy.cut();
          await bob.banner.getByText("Connection lost").waitFor();
          // Without a WebSocket the server does not notice yet that he is gone.
          if (transports !== "polling") await ada.page.getByText("Bob left").nth(expected.length / 4).waitFor();
          for (const text of [`${round} one`, `${round} two`, `${round} three`]) await ada.say(text);
          await ada.entry("@Bob").click();
          await ada.say(`${round} private`);
          await ada.page.locator(".message.sent").waitFor();
          await bob.say(`${round} answer`);
          await ada.entry("#tea").click();
          proxy.mend();
          await bob.online();
          await ada.message(`${round} answer`).waitFor();
          expected.push(...["one", "two", "three", "answer"].map((text) => `${round} ${text}`));
          assert.deepEqual(await bob.page.locator(".message p").allTextContents(), expected);
          assert.deepEqual(await ada.page.locator(".message p").allTextContents(), expected);
          // The private one is there too, and its author hears that it is.
          await ada.entry("@Bob").click();
          await until(async () => (await ada.page.locator(".message.sent").count()) === 0, { what: "the confirmation" });
          await ada.entry("#tea").click();
        }
        await bob.entry("@Ada").click();
        assert.deepEqual(await bob.page.locator(".message p").allTextContents(), ["first private", "second private", "third private"]);
        const { welcomes, ids, recovered } = await bob.page.evaluate(() => ({ welcomes, ids, recovered }));
        assert.deepEqual({ welcomes, recovered, ids: new Set(ids).size }, { welcomes: 0, recovered: [true, true, true], ids: 1 });
        noErrors(NETWORK);
      } finally {
        await proxy.stop();
      }
    });
  }

  test("nobody else can have the name meanwhile", async () => {
    const proxy = await Proxy.start(chat.server.port);
    try {
      await person("Ada");
      const bob = await person("Bob", { url: proxy.url });
      // A connection that is lost in the middle of an upgrade is noticed by the client's heartbeat only.
      await until(async () => (await bob.transport()) === "websocket", { what: "the upgrade" });
      proxy.cut();
      await bob.banner.getByText("Connection lost").waitFor();
      const mallory = io(chat.server.url, { auth: { name: "Bob", key: "a key of his own" }, forceNew: true });
      const [error] = await once(mallory, "connect_error");
      mallory.close();
      assert.equal(error.message, "“Bob” is taken by somebody else");
      proxy.mend();
      await bob.online();
      noErrors(NETWORK);
    } finally {
      await proxy.stop();
    }
  });
});

describe("the page", () => {
  test("fits a phone", async () => {
    const ada = await person("Ada", { colorScheme: "light" });
    const bob = await person("Bob", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await chatter(ada, bob);
    await bob.fits();
    await bob.screenshot("phone");
    await bob.page.locator("#open-drawer").tap();
    await bob.entry("@Ada").waitFor();
    await pause(300);
    await bob.screenshot("phone-drawer");
    await bob.entry("@Ada").tap();
    await bob.page.locator("#title", { hasText: "Ada" }).waitFor();
    await bob.say("from the phone");
    await ada.badge("@Bob").waitFor();
    noErrors();
  });

  test("is drawn for light and dark", async () => {
    const ada = await person("Ada", { colorScheme: "light" });
    const bob = await person("Bob", { colorScheme: "dark" });
    await chatter(ada, bob);
    await ada.screenshot("desktop-light");
    await bob.screenshot("desktop-dark");
    const ground = (one) => one.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.notEqual(await ground(ada), await ground(bob));
    noErrors();
  });

  test("asks for a name first", async () => {
    const page = new ChatPage(await (await device({ colorScheme: "light" })).newPage());
    await page.page.goto(chat.server.url);
    await page.page.getByLabel("Nickname", { exact: true }).waitFor();
    await page.screenshot("sign-in");
    assert.deepEqual(page.errors, []);
  });

  test("can be used with the keyboard alone", async () => {
    const bob = await person("Bob");
    const context = await device();
    const ada = new ChatPage(await context.newPage());
    chat.pages.push(ada);
    const { keyboard } = ada.page;
    const focused = () => ada.page.evaluate(() => document.activeElement.id || document.activeElement.dataset.key);
    await ada.page.goto(chat.server.url);
    await keyboard.type("Ada");
    await keyboard.press("Enter");
    await ada.online();
    await until(async () => (await focused()) === "text", { what: "the focus in the message field" });
    await keyboard.type("no mouse");
    await keyboard.press("Shift+Enter");
    await keyboard.type("needed");
    await keyboard.press("Enter");
    await bob.message("no mouse\nneeded").waitFor();

    // Backwards to the list, by the arrows through it.
    await until(async () => {
      await keyboard.press("Shift+Tab");
      return (await focused()) === "#lobby";
    }, { what: "the list by Shift+Tab" });
    await keyboard.press("ArrowDown");
    assert.equal(await focused(), "@Bob");
    const outline = await ada.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none");
    await keyboard.press("Enter");
    assert.equal(await focused(), "text");
    await keyboard.type("private, too");
    await keyboard.press("Enter");
    await bob.badge("@Ada").waitFor();

    // A room: the dialog opens, closes by Escape, and takes a name by Enter.
    await until(async () => {
      await keyboard.press("Shift+Tab");
      return (await focused()) === "new-room";
    }, { what: "the button for a new room" });
    await keyboard.press("Enter");
    await keyboard.press("Escape");
    assert.equal(await focused(), "new-room");
    await keyboard.press("Enter");
    await keyboard.type("tea");
    await keyboard.press("Enter");
    await ada.page.locator("#title", { hasText: "tea" }).waitFor();
    await until(async () => (await focused()) === "text", { what: "the focus in the new room's field" });
    noErrors();
  });

  test("has names and roles for a screen reader", async () => {
    const ada = await person("Ada");
    const log = ada.page.getByRole("log");
    assert.equal(await log.getAttribute("aria-live"), "polite");
    assert.deepEqual(await ada.nameless(), []);
    await ada.page.getByRole("navigation", { name: "Conversations" }).waitFor();
    noErrors();
  });

  test("keeps still for who wants less motion", async () => {
    const ada = await person("Ada", { reducedMotion: "reduce", viewport: { width: 360, height: 740 } });
    const moving = await ada.page.locator("#sidebar").evaluate((element) => getComputedStyle(element).transitionDuration);
    assert.equal(moving, "0s");
    noErrors();
  });
});

describe("somebody who means no good", () => {
  test("can't put a message of his own in the place of another's", async () => {
    const ada = await person("Ada");
    await ada.say("my own words");
    await ada.message("my own words").and(ada.page.locator(".sent")).waitFor();
    const mallory = io(chat.server.url, { auth: { name: "Mallory", key: "a key of his own" }, forceNew: true });
    try {
      const welcome = await new Promise((resolve) => mallory.once("welcome", resolve));
      const { id } = welcome.rooms.find((room) => room.name === "lobby").history.at(-1);
      await mallory.timeout(3000).emitWithAck("say", { id, to: { room: "lobby" }, text: "words of Mallory" });
      await ada.message("words of Mallory").waitFor();
      assert.equal(await ada.message("my own words").count(), 1);
    } finally {
      mallory.close();
    }
    noErrors();
  });

  test("can't keep the server from ending by a request that he never finishes", async () => {
    const { hostname, port } = new URL(chat.server.url);
    const half = net.connect(Number(port), hostname);
    half.on("error", () => {});
    await new Promise((resolve) => half.write("GET / HT", resolve));
    await pause(100);
    // Fails if the process has to be killed.
    await chat.server.stop();
    chat.server = undefined;
    half.destroy();
  });
});

/** A talk as it may be, to look at. */
async function chatter(ada, bob) {
  await bob.say("Morning! The river is high today.");
  await ada.message("Morning! The river is high today.").waitFor();
  await ada.say("I saw. They say the first sockeye are past the second bridge.");
  await bob.message("I saw. They say the first sockeye are past the second bridge.").waitFor();
  await bob.say("Shall we count them after work? The last hour before dusk is best: the light is low and they rest in the pool below the weir.");
  await bob.say("I bring the thermos.");
  await ada.message("I bring the thermos.").waitFor();
  await ada.say("Yes");
  await ada.enterRoom("river-watch");
  await ada.entry("#lobby").click();
  await bob.field.pressSequentially("See you th");
  await ada.typing.getByText("Bob is typing").waitFor();
}
