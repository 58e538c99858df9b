// The example of groups, by namespaces and by rooms, in a real browser and by clients without a page.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { io } from "socket.io-client";
import { watch } from "../support/browser.mjs";
import { NETWORK, stage } from "../support/stage.mjs";
import { once, pause, until } from "../support/wait.mjs";

const example = stage("group-chat");
const { device, noErrors } = example;
const clients = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

function connect(namespace, auth = {}, options = {}) {
  const client = io(example.server.url + namespace, { auth, forceNew: true, ...options });
  clients.push(client);
  return client;
}

/** Founds a team by a client without a page; resolves with its name and token. */
async function found(name) {
  const founded = await connect("/").timeout(5000).emitWithAck("found", name);
  assert.ok(founded.token, founded.error);
  return founded;
}

/** Lets a client into a team; `heard` collects the texts of messages. */
async function member(name, { team, token }, groups = [], options = {}) {
  const client = connect(`/team-${team}`, { token, name, groups }, options);
  client.heard = [];
  client.on("message", ({ text }) => client.heard.push(text));
  [client.welcome] = await once(client, "welcome");
  return client;
}

let messageIds = 0;
const say = (client, room, text) => client.emitWithAck("say", { id: String(messageIds += 1), to: { room }, text });

/** Somebody with a page: without an invitation, with a nickname only. */
async function person(name, { invitation, ...options } = {}) {
  const context = await device(options);
  const page = watch(await context.newPage());
  example.pages.push(page);
  const secret = invitation ? `#${new URLSearchParams(invitation)}` : "";
  await page.page.goto(`${example.server.url}/${secret}`);
  await page.page.getByLabel("Nickname", { exact: true }).fill(name);
  await page.page.keyboard.press("Enter");
  // On a phone the list is out of sight.
  if (invitation) await page.entry(`${invitation.team}#everybody`).waitFor({ state: "attached" });
  return page;
}

async function enterGroup(one, team, group) {
  await one.page.getByLabel(`Create or join a group in ${team}`).click();
  await one.page.getByLabel("Name of the group").fill(group);
  await one.page.keyboard.press("Enter");
  await one.page.locator("#title", { hasText: group }).waitFor();
}

const members = (one) => one.page.locator("#subtitle");

describe("a team is a namespace", () => {
  test("that its own token opens, and no other", async () => {
    const [river, sea] = [await found("River Watch"), await found("sea")];
    assert.equal(river.team, "river-watch");
    const ada = await member("Ada", river);
    assert.deepEqual(ada.welcome, { name: "Ada", joined: ["everybody"], groups: { everybody: ["Ada"] } });
    for (const token of [sea.token, "", river.token.slice(1)]) {
      const [error] = await once(connect("/team-river-watch", { token, name: "Eve" }), "connect_error");
      assert.match(error.message, /opens no team here/);
    }
    const [nobody] = await once(connect("/team-nobody", { token: river.token, name: "Eve" }), "connect_error");
    assert.match(nobody.message, /opens no team here/);
    const [invalid] = await once(connect("/team-NO", { token: river.token, name: "Eve" }), "connect_error");
    assert.equal(invalid.message, "Invalid namespace");
    const [nameless] = await once(connect("/team-sea", { token: sea.token, name: "\u200b" }), "connect_error");
    assert.equal(nameless.message, "a nickname has 1 to 24 characters");
  });

  test("that nothing leaves", async () => {
    const [river, sea] = [await found("river"), await found("sea")];
    const [ada, bob] = [await member("Ada", river, ["tea"]), await member("Bob", sea, ["tea"])];
    const groups = [];
    bob.on("group", ({ group }) => groups.push(group));
    const cleo = await member("Cleo", river);
    await cleo.emitWithAck("join", "tea");
    await say(cleo, "tea", "only for the river");
    await until(() => ada.heard.length === 1, { what: "the message" });
    await say(await member("Dan", sea, ["tea"]), "tea", "only for the sea");
    await until(() => bob.heard.length === 1, { what: "the other message" });
    assert.deepEqual([ada.heard, bob.heard], [["only for the river"], ["only for the sea"]]);
    // Dan's coming, not Cleo's.
    assert.deepEqual(groups, ["everybody", "tea"]);
  });

  test("of which one has several over one connection", async () => {
    const [river, sea] = [await found("river"), await found("sea")];
    const first = connect(`/team-${river.team}`, { token: river.token, name: "Ada" });
    const second = first.io.socket(`/team-${sea.team}`, { auth: { token: sea.token, name: "Ada" } });
    clients.push(second);
    await Promise.all([once(first, "welcome"), once(second, "welcome")]);
    assert.equal(first.io.engine, second.io.engine);
  });

  test("with a name that nobody else has, and that fits an address", async () => {
    await found("sea");
    const ask = async (name) => (await connect("/").timeout(5000).emitWithAck("found", name)).error;
    assert.equal(await ask("Sea"), "there is a team “sea” already");
    assert.match(await ask("größe"), /letters from a to z/);
  });
});

describe("a group is a room", () => {
  test("that is made by joining and gone when the last one leaves", async () => {
    const river = await found("river");
    const ada = await member("Ada", river);
    const bob = await member("Bob", river);
    const groups = [];
    ada.on("group", ({ group, members }) => group === "tea" && groups.push([group, members]));
    assert.equal(await bob.emitWithAck("join", " tea "), "tea");
    assert.equal(await ada.emitWithAck("join", "tea"), "tea");
    assert.equal(await bob.emitWithAck("leave", "tea"), true);
    assert.equal(await bob.emitWithAck("leave", "tea"), false);
    ada.emit("leave", "tea");
    await until(() => groups.length === 4, { what: "four changes" });
    assert.deepEqual(groups, [["tea", ["Bob"]], ["tea", ["Ada", "Bob"]], ["tea", ["Ada"]], ["tea", []]]);
    const cleo = await member("Cleo", river);
    assert.deepEqual(cleo.welcome.groups, { everybody: ["Ada", "Bob", "Cleo"] });
  });

  test("that a lost connection leaves, and a new one joins again", async () => {
    const river = await found("river");
    const ada = await member("Ada", river);
    const bob = await member("Bob", river, ["tea"], { transports: ["websocket"], reconnectionDelay: 50 });
    const changes = [];
    ada.on("group", ({ group, members }) => changes.push(`${group}: ${members}`));
    bob.io.engine.close();
    await until(() => changes.includes("tea: ") && changes.includes("everybody: Ada"), { what: "Bob's leaving" });
    const [welcome] = await once(bob, "welcome");
    assert.deepEqual(welcome.joined, ["everybody", "tea"]);
  });

  test("in which one must be to write, and to tell that one is typing", async () => {
    const river = await found("river");
    const [ada, bob] = [await member("Ada", river, ["tea"]), await member("Bob", river)];
    assert.deepEqual(await say(bob, "tea", "let me in"), { error: "you are not in “tea”" });
    bob.emit("typing", "tea", true);
    assert.deepEqual(await bob.emitWithAck("leave", "everybody"), { error: "everybody stays here, or leaves the team" });
    await say(bob, "everybody", "hello");
    await until(() => ada.heard.length > 0, { what: "the message" });
    assert.deepEqual(ada.heard, ["hello"]);
  });

  test("of which one has twenty at most, with short names", async () => {
    const ada = await member("Ada", await found("river"));
    for (let number = 1; number < 20; number += 1) assert.equal(await ada.emitWithAck("join", `${number}`), `${number}`);
    assert.deepEqual(await ada.emitWithAck("join", "one more"), { error: "you are in 20 groups: leave one first" });
    const bob = await member("Bob", await found("sea"));
    assert.deepEqual(await bob.emitWithAck("join", "x".repeat(33)), { error: "a group's name has 1 to 32 characters" });
    assert.deepEqual(await bob.emitWithAck("say", 7), { error: "this page does not speak as expected, please reload it" });
  });
});

describe("the page", () => {
  test("founds a team, invites by a link, and shows who is there and what they say", async () => {
    const ada = await person("Ada");
    await ada.page.locator("#first-team").click();
    await ada.page.getByLabel("Name of the team").fill("River Watch");
    await ada.page.keyboard.press("Enter");
    await ada.entry("river-watch#everybody").waitFor();
    await ada.page.getByLabel("Invite to river-watch").click();
    const link = await ada.page.locator("#invitation").inputValue();
    await ada.page.keyboard.press("Escape");
    const invitation = Object.fromEntries(new URLSearchParams(new URL(link).hash.slice(1)));

    const bob = await person("Bob", { invitation });
    await ada.page.getByText("Bob joined").waitFor();
    await members(ada).getByText("you, Bob").waitFor();
    await bob.field.pressSequentially("he");
    await ada.typing.getByText("Bob is typing").waitFor();
    await bob.field.fill("hello <b>team</b>");
    await bob.field.press("Enter");
    await ada.message("hello <b>team</b>").waitFor();
    assert.equal(await ada.page.locator(".message b").count(), 0);
    await bob.page.locator(".message.sent").waitFor();
    await until(async () => (await ada.typing.textContent()) === "", { within: 1500, what: "the end of typing" });

    await enterGroup(ada, "river-watch", "tea");
    await ada.say("nobody here yet");
    await bob.page.getByLabel("Join tea").click();
    await members(bob).getByText("Ada, you").waitFor();
    await bob.entry("river-watch#everybody").click();
    await ada.say("come to tea");
    await bob.badge("river-watch#tea").getByText("1", { exact: true }).waitFor();
    await bob.entry("river-watch#tea").click();
    await bob.message("come to tea").waitFor();
    assert.equal(await bob.message("nobody here yet").count(), 0);

    await bob.page.getByRole("button", { name: "Leave", exact: true }).click();
    await ada.page.getByText("Bob left").waitFor();
    await bob.page.getByRole("button", { name: "Leave team" }).click();
    await bob.page.getByText("Create a team, or open the link").waitFor();
    noErrors();
  });

  test("keeps its teams and groups over a reload, and says so when a team is closed to one", async () => {
    const invitation = await found("river");
    const ada = await person("Ada", { invitation });
    await enterGroup(ada, "river", "tea");
    await ada.page.reload();
    await ada.page.locator('.entry[data-key="river#tea"]:not(.outside)').waitFor();

    const eve = await person("Eve", { invitation: { team: "river", token: "guessed" } });
    await eve.entry("river#everybody").getByText("closed to you").waitFor();
    await eve.entry("river#everybody").click();
    await eve.page.getByText("This token opens no team here: ask for a new link.").waitFor();
    await eve.page.getByRole("button", { name: "Leave team" }).click();
    assert.equal(await eve.page.locator("#teams section").count(), 0);
    noErrors(NETWORK);
  });

  test("is back in its groups after a lost connection, and what was written meanwhile is sent once", async () => {
    const invitation = await found("river");
    const ada = await person("Ada", { invitation });
    const bob = await member("Bob", invitation, ["tea"]);
    await enterGroup(ada, "river", "tea");
    await ada.page.evaluate(() => {
      const { socket } = window.teams.get("river").connection;
      socket.io.engine.close();
    });
    await ada.banner.getByText("Connection lost").waitFor();
    await ada.say("written while away");
    await ada.banner.getByText("Connected again").waitFor();
    await until(() => bob.heard.length > 0, { what: "the message" });
    await pause(200);
    assert.deepEqual(bob.heard, ["written while away"]);
    await members(ada).getByText("you, Bob").waitFor();
    noErrors(NETWORK);
  });

  test("can be used with the keyboard alone", async () => {
    const ada = await person("Ada");
    const { keyboard } = ada.page;
    const focused = () => ada.page.evaluate(() => document.activeElement.id || document.activeElement.dataset.key || document.activeElement.dataset.action);
    const reach = (what, key) => until(async () => {
      await keyboard.press(key);
      return (await focused()) === what;
    }, { what: `${what} by ${key}` });
    await reach("new-team", "Tab");
    await keyboard.press("Enter");
    await keyboard.type("river");
    await keyboard.press("Enter");
    await until(async () => (await focused()) === "text", { what: "the focus in the message field" });
    await keyboard.type("no mouse needed");
    await keyboard.press("Enter");
    await ada.message("no mouse needed").and(ada.page.locator(".sent")).waitFor();
    await reach("group", "Shift+Tab");
    await keyboard.press("Enter");
    await keyboard.type("tea");
    await keyboard.press("Enter");
    await ada.page.locator("#title", { hasText: "tea" }).waitFor();
    await reach("river#tea", "Shift+Tab");
    await keyboard.press("ArrowUp");
    assert.equal(await focused(), "river#everybody");
    await keyboard.press("Enter");
    await ada.page.locator("#title", { hasText: "everybody" }).waitFor();
    assert.equal(await focused(), "text");
    noErrors();
  });

  test("fits a phone, and is drawn for light and dark", async () => {
    const [river, sea] = [await found("river-watch"), await found("harbour")];
    const ada = await person("Ada", { invitation: river, colorScheme: "light", viewport: { width: 1280, height: 760 } });
    const bob = await person("Bob", { invitation: river, colorScheme: "dark", viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
    await ada.page.goto(`${example.server.url}/#${new URLSearchParams(sea)}`);
    await ada.page.reload();
    await ada.entry("harbour#everybody").waitFor();
    await enterGroup(ada, "river-watch", "night shift");
    await bob.page.locator("#open-drawer").tap();
    await bob.page.getByLabel("Join night shift").tap();
    await member("Cleo", river, ["night shift", "breakfast"]);
    await ada.say("Who counts from ten to midnight?");
    await bob.message("Who counts from ten to midnight?").waitFor();
    await bob.say("I do. The light at the weir is broken, so bring your own, and tell the others to walk on the left side only.");
    await ada.message("I do. The light at the weir is broken, so bring your own, and tell the others to walk on the left side only.").waitFor();
    await bob.field.pressSequentially("And");
    await ada.typing.getByText("Bob is typing").waitFor();
    await ada.screenshot("teams-light");
    await bob.fits();
    await bob.screenshot("teams-phone");
    await bob.page.locator("#open-drawer").tap();
    await pause(300);
    await bob.screenshot("teams-phone-drawer");
    const alone = await person("Dan", { colorScheme: "light" });
    await alone.page.locator("#first-team").waitFor();
    await alone.screenshot("teams-start");
    assert.deepEqual(await ada.nameless(), []);
    noErrors();
  });
});
