// A real browser, and the chat's page in it as its user sees it.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ARTIFACTS = fileURLToPath(new URL("../../artifacts/", import.meta.url));
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export async function launch(flags = []) {
  // Playwright gives every launch a fresh profile directory of its own.
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...FLAGS, ...flags],
  });
}

/** A browser of its own (own storage), so a device of its own. */
export async function newDevice(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, locale: "en-GB", ...options });
  context.setDefaultTimeout(8000);
  return context;
}

/** A page, and all that it says in the browser's console about what went wrong. */
export function watch(page) {
  return new ChatPage(page);
}

/** The chat's page, with the things that people do in it. */
export class ChatPage {
  constructor(page) {
    this.page = page;
    this.errors = [];
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
    page.on("pageerror", (error) => this.errors.push(String(error)));
  }

  static async open(context, url, name) {
    const chat = new ChatPage(await context.newPage());
    await chat.page.goto(url);
    if (name) {
      await chat.page.getByLabel("Nickname", { exact: true }).fill(name);
      await chat.page.keyboard.press("Enter");
    }
    await chat.online();
    return chat;
  }

  async online() {
    await this.page.locator("body[data-state=online], body[data-state=back]").waitFor();
  }

  get field() {
    return this.page.locator("#text");
  }

  get banner() {
    return this.page.locator("#banner");
  }

  get typing() {
    return this.page.locator("#typing");
  }

  async say(text) {
    await this.field.fill(text);
    await this.field.press("Enter");
  }

  /** A message that reads exactly so, in the conversation on display. */
  message(text) {
    return this.page.locator(".message", { has: this.page.getByText(text, { exact: true }) });
  }

  /** A line of the list at the side: `#tea`, `@Ada`. */
  entry(key) {
    return this.page.locator(`.entry[data-key="${key}"]`);
  }

  badge(key) {
    return this.entry(key).locator(".badge");
  }

  async enterRoom(name) {
    await this.page.getByLabel("Create or join a room").first().click();
    await this.page.getByLabel("Name of the room").fill(name);
    await this.page.keyboard.press("Enter");
    await this.page.locator("#title", { hasText: name }).waitFor();
  }

  transport() {
    return this.page.evaluate(() => window.chat.socket.io.engine.transport.name);
  }

  /** What somebody who does not see the page could not tell apart. */
  nameless() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll("button, input, textarea")]
        .filter((element) => !element.labels?.length && !element.getAttribute("aria-label") && !element.textContent.trim())
        .map((element) => element.outerHTML));
  }

  /** Fails unless the page is as wide as its window, and what a finger wants to hit is large enough. */
  async fits() {
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false);
    const sizes = await this.page.evaluate(() =>
      [...document.querySelectorAll("input, textarea")].map((field) => parseFloat(getComputedStyle(field).fontSize)));
    assert.ok(sizes.every((size) => size >= 16), "a smaller field makes iOS zoom");
    const small = await this.page.evaluate(() =>
      [...document.querySelectorAll(".talk button:not([hidden]), .talk textarea")]
        .filter((element) => element.offsetParent && element.getBoundingClientRect().height < 40)
        .map((element) => element.id || element.className));
    assert.deepEqual(small, [], "a finger needs 40 px");
  }

  async screenshot(name) {
    mkdirSync(ARTIFACTS, { recursive: true });
    await this.page.screenshot({ path: `${ARTIFACTS}${name}.png` });
  }
}
