// Who uses this browser: a nickname and a key, kept between visits.
// All devices of one user share the key; it proves that they may use the name.

export class Identity {
  #store;

  /** `store` is the name under which this browser keeps it. */
  constructor(store) {
    this.#store = store;
    const kept = this.#read();
    this.name = kept.name ?? "";
    this.key = kept.key ?? newId();
    this.rooms = kept.rooms ?? [];
    this.#adoptLink();
    this.#save();
  }

  rename(name) {
    this.name = name;
    this.#save();
  }

  remember(rooms) {
    this.rooms = rooms;
    this.#save();
  }

  /** An address that makes another device this user's. */
  link() {
    // After the #, so that it is never sent to a server.
    const secret = new URLSearchParams({ name: this.name, key: this.key });
    return `${location.origin}${location.pathname}#${secret}`;
  }

  #adoptLink() {
    const secret = new URLSearchParams(location.hash.slice(1));
    if (!secret.get("name") || !secret.get("key")) return;
    this.name = secret.get("name");
    this.key = secret.get("key");
    history.replaceState(null, "", location.pathname + location.search);
  }

  #save() {
    try {
      localStorage.setItem(this.#store, JSON.stringify({ name: this.name, key: this.key, rooms: this.rooms }));
    } catch {
      // A private window may refuse: then the nickname is asked for again next time.
    }
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(this.#store)) ?? {};
    } catch {
      return {};
    }
  }
}

/** A random name for a key or a message. `crypto.randomUUID` is missing on plain HTTP, as on a phone in the LAN. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
