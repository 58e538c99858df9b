// What has been said, where, and what of it is unread. Knows neither the page nor the network.

const MOST_ENTRIES = 1000;
const TYPING_ENDS = 4000;

/** A conversation's key: `#tea` for a room, `@Ada` for a person. */
export function keyOf(to) {
  return "room" in to ? `#${to.room}` : `@${to.user}`;
}

export class Conversation {
  /** `{ id, from, text, at, state }`; one without `from` is a notice. Oldest first, waiting ones at the end. */
  entries = [];
  unread = 0;
  /** Who is typing, with the timer that ends it. */
  typing = new Map();
  /** What stands in the message field. */
  draft = "";
  #notices = 0;

  constructor(to) {
    this.to = to;
    this.key = keyOf(to);
    this.isRoom = "room" in to;
    this.title = to.room ?? to.user;
  }

  /** Ids are their authors' own: two messages with the same id are the same only if one person sent them. */
  find(id, from) {
    return this.entries.find((entry) => entry.id === id && entry.from === from);
  }

  /** Adds a message, unless it is known; then only what is new about it is taken over. Returns whether it was added. */
  add(message) {
    const known = this.find(message.id, message.from);
    if (known) {
      const moved = known.state === "waiting" && message.state !== "waiting";
      Object.assign(known, message);
      if (moved) this.#settle(known);
      return false;
    }
    this.entries.push(message);
    this.#settle(message);
    // A page that stays open for days keeps what can be read back, not everything.
    if (this.entries.length > MOST_ENTRIES) this.entries.shift();
    return true;
  }

  /** Notes that somebody is typing or has stopped; the former ends by itself. `changed()` is called at each change. */
  types(name, active, changed) {
    clearTimeout(this.typing.get(name));
    this.typing.delete(name);
    if (active) this.typing.set(name, setTimeout(() => this.types(name, false, changed), TYPING_ENDS));
    changed();
  }

  notice(text) {
    this.#notices += 1;
    this.add({ id: `notice-${this.#notices}`, text, at: Date.now(), state: "notice" });
  }

  /** Puts an entry behind all that are older, and before those which the server has not got yet. */
  #settle(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    const unsent = (other) => other.state === "waiting" || other.state === "refused";
    const later = (other) => !unsent(entry) && (unsent(other) || other.at > entry.at);
    const place = this.entries.findIndex(later);
    this.entries.splice(place < 0 ? this.entries.length : place, 0, entry);
  }
}

export class Conversations {
  #all = new Map();

  /** The conversation with a room or person, begun if need be. */
  with(to) {
    const key = keyOf(to);
    if (!this.#all.has(key)) this.#all.set(key, new Conversation(to));
    return this.#all.get(key);
  }

  get(key) {
    return this.#all.get(key);
  }

  remove(key) {
    this.#all.delete(key);
  }

  /** Whose conversation a message belongs to, seen by `me`: a private one is filed under the other person. */
  of(message, me) {
    const foreign = "user" in message.to && message.from !== me;
    return this.with(foreign ? { user: message.from } : message.to);
  }

  rooms() {
    return [...this.#all.values()].filter((conversation) => conversation.isRoom);
  }

  private() {
    return [...this.#all.values()].filter((conversation) => !conversation.isRoom);
  }

  unread() {
    return [...this.#all.values()].reduce((sum, conversation) => sum + conversation.unread, 0);
  }
}
