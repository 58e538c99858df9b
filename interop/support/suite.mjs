// What a client test needs around it: one server for the file, and no client left behind.

import { after, afterEach, before } from "node:test";
import { TestServer } from "./server.mjs";

/** The ways to connect: each behaviour is expected over all of them. */
export const WAYS = {
  "polling only": { transports: ["polling"] },
  "WebSocket only": { transports: ["websocket"] },
  "polling, then upgrade": { transports: ["polling", "websocket"] },
};

/** Registers the file's hooks. `connect(path, options)` makes a client that is closed after its test. */
export function serve(io, { name = "interop-server", args } = {}) {
  const suite = { server: undefined, clients: [] };
  before(async () => { suite.server = await TestServer.start(name, { args }); });
  after(async () => { await suite.server?.stop(); });
  afterEach(() => {
    for (const client of suite.clients.splice(0)) client.disconnect();
  });
  suite.connect = (path = "/", options = {}) => {
    const client = io(suite.server.url + path, { forceNew: true, ...options });
    suite.clients.push(client);
    return client;
  };
  return suite;
}
