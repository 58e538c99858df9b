// The client's side of examples/json-parser: each packet is one text of JSON.

import { EventEmitter } from "node:events";

class Encoder {
  encode({ type, data, nsp, id }) {
    return [JSON.stringify({ type, data, nsp, id })];
  }
}

class Decoder extends EventEmitter {
  add(text) {
    if (typeof text !== "string") throw new Error("expected text");
    const packet = JSON.parse(text);
    if (!Number.isInteger(packet.type) || typeof packet.nsp !== "string") throw new Error("not a packet");
    this.emit("decoded", packet);
  }

  destroy() {}
}

export const jsonParser = { protocol: 5, Encoder, Decoder };
