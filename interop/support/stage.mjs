// One of the examples with a page, and the people who use it: each in a browser of their own.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import { ChatPage, launch, newDevice } from "./browser.mjs";
import { TestServer } from "./server.mjs";

/** What a browser says about a connection that was cut off. */
export const NETWORK = /net::ERR_|WebSocket connection to .* failed|Failed to load resource/;

/** Registers the file's hooks: each test has a server and browsers of its own. */
export function stage(program, { args = [] } = {}) {
  let browser;
  let contexts;
  const stage = {
    server: undefined,
    pages: [],

    /** A browser of its own. */
    async device(options) {
      const context = await newDevice(browser, options);
      contexts.push(context);
      return context;
    },

    async open(context, name, { url = stage.server.url } = {}) {
      const page = await ChatPage.open(context, url, name);
      stage.pages.push(page);
      return page;
    },

    async person(name, { url, ...options } = {}) {
      return stage.open(await stage.device(options), name, { url });
    },

    /** The second device of somebody: opens the link that the first one shows. */
    async secondDevice(first, options) {
      await first.page.getByLabel("Use this name on another device").first().click();
      const url = await first.page.locator("#link").inputValue();
      await first.page.keyboard.press("Escape");
      return stage.open(await stage.device(options), undefined, { url });
    },

    noErrors(except = /^$/) {
      for (const page of stage.pages) assert.deepEqual(page.errors.filter((error) => !except.test(error)), []);
    },
  };

  before(async () => { browser = await launch(); });
  after(async () => { await browser?.close(); });
  beforeEach(async () => {
    contexts = [];
    stage.pages = [];
    stage.server = undefined;
    stage.server = await TestServer.start(program, { args: ["--host", "127.0.0.1", ...args] });
  });
  afterEach(async () => {
    for (const context of contexts) await context.close();
    await stage.server?.stop();
  });
  return stage;
}
