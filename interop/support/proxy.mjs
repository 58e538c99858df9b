// A way to the server that can be cut off, as networks are: browsers' own offline mode leaves WebSockets alone.

import net from "node:net";

export class Proxy {
  #sockets = new Set();
  #cut = false;

  /** Listens on a free port and passes everything on to `port`. */
  static async start(port) {
    const proxy = new Proxy();
    proxy.server = net.createServer((near) => {
      const far = net.connect(port, "127.0.0.1");
      for (const [from, to] of [[near, far], [far, near]]) {
        proxy.#sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          proxy.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
      if (proxy.#cut) near.destroy();
    });
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  /** Ends all connections, and every new one until `mend`. */
  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#cut = false;
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
