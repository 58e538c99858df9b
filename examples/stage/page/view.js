// Draws the conversations. All text that people wrote goes in by `textContent`, so it can't become markup.

const GROUP_WITHIN = 5 * 60_000;
const COLOURS = 8;

const MARKS = {
  waiting: ["◌", "waiting for the connection"],
  sent: ["✓", "sent"],
  delivered: ["✓✓", "delivered"],
  seen: ["✓✓", "seen"],
  refused: ["!", "not sent"],
};

export const byId = (id) => document.getElementById(id);

/** Makes an element: `make("b", { className: "x", textContent: "y" }, child, …)`. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter(Boolean));
  return element;
}

/** Makes a sentence of what the server says. */
export function sentence(words) {
  return words && `${words[0].toUpperCase()}${words.slice(1)}.`;
}

/** The class of a person's colour, which follows from the name. */
function colour(name) {
  const sum = [...name].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) >>> 0, 7);
  return `c${sum % COLOURS}`;
}

/** The round sign of a person: the first letter. */
export function paintAvatar(element, name) {
  element.className = `avatar ${colour(name)}`;
  element.textContent = [...name][0]?.toUpperCase() ?? "";
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** One line of the list at the side. */
export function listItem({ label, key, isRoom, unread, current, note, joined = true, online = true }) {
  const sign = isRoom
    ? make("span", { className: "hash", textContent: joined ? "#" : "+", ariaHidden: "true" })
    : paintAvatar(make("span"), label);
  const button = make(
    "button",
    { type: "button", tabIndex: -1, className: "entry" },
    sign,
    make("span", { className: "label", textContent: label }),
    note && make("small", { textContent: note }),
    unread > 0 && make("span", { className: "badge", textContent: unread > 99 ? "99+" : unread }),
    unread > 0 && make("span", { className: "hidden", textContent: " unread" }),
  );
  button.dataset.key = key;
  button.classList.toggle("unread", unread > 0);
  button.classList.toggle("offline", !online);
  button.classList.toggle("outside", !joined);
  if (!joined) button.setAttribute("aria-label", `Join ${label}`);
  if (current) button.setAttribute("aria-current", "true");
  return make("li", {}, button);
}

/** Who is typing, in words. */
export function drawTyping(names) {
  const who = names.length > 2 ? `${names.length} people` : names.join(" and ");
  byId("typing").textContent = names.length ? `${who} ${names.length === 1 ? "is" : "are"} typing` : "";
}

/** The messages of one conversation, and where the reader is in them. */
export class MessageList {
  #list = byId("messages");
  #scroll = byId("scroll");
  #latest = byId("latest");

  /** `again(entry)` is called when somebody wants a refused message to be sent once more. */
  constructor(again) {
    this.again = again;
    this.#latest.addEventListener("click", () => this.#toEnd());
    this.#scroll.addEventListener("scroll", () => {
      if (this.#atEnd()) this.#latest.hidden = true;
    });
    // A keyboard that slides in, or a growing message field, must not hide what was just read.
    let atEnd = true;
    this.#scroll.addEventListener("scroll", () => { atEnd = this.#atEnd(); });
    new ResizeObserver(() => { if (atEnd) this.#toEnd(); }).observe(this.#scroll);
  }

  /** Draws a conversation afresh. */
  show(conversation, me) {
    // Not read out: it has been read before, or can be read by moving into the list.
    this.#list.setAttribute("aria-live", "off");
    this.#list.replaceChildren();
    this.update(conversation, me);
    this.#toEnd();
    requestAnimationFrame(() => this.#list.setAttribute("aria-live", "polite"));
  }

  /** Brings the list up to date, touching only what has changed. */
  update(conversation, me) {
    const stay = !this.#atEnd();
    const before = this.#list.lastElementChild;
    const drawn = new Map([...this.#list.children].map((item) => [item.dataset.id, item]));
    let place = this.#list.firstElementChild;
    let previous;
    for (const entry of withDays(conversation.entries)) {
      const state = describe(entry, previous, me);
      const id = `${entry.from ?? ""}/${entry.id}`;
      const old = drawn.get(id);
      let item = old;
      if (old?.dataset.state !== state) {
        if (old && old === place) place = place.nextElementSibling;
        old?.remove();
        item = this.#draw(entry, previous, me);
        Object.assign(item.dataset, { id, state });
      }
      if (item === place) place = place.nextElementSibling;
      else this.#list.insertBefore(item, place);
      previous = entry;
    }
    while (place) {
      const gone = place;
      place = place.nextElementSibling;
      gone.remove();
    }
    this.#list.classList.toggle("empty", conversation.entries.length === 0);
    const last = conversation.entries.at(-1);
    if (!stay || last?.from === me) this.#toEnd();
    else if (this.#list.lastElementChild !== before && last?.from) this.#latest.hidden = false;
  }

  #draw(entry, previous, me) {
    if (entry.state === "day" || entry.state === "notice") {
      return make("li", { className: entry.state }, make("span", { textContent: entry.text }));
    }
    const mine = entry.from === me;
    const follows = groups(previous, entry);
    const [mark, meaning] = MARKS[entry.state] ?? [];
    const time = make("time", { textContent: clock(entry.at), dateTime: new Date(entry.at).toISOString() });
    return make(
      "li",
      { className: `message ${mine ? "mine" : "theirs"} ${follows ? "follows" : ""} ${entry.state ?? ""}` },
      !mine && paintAvatar(make("span"), entry.from),
      make(
        "div",
        { className: "bubble" },
        make("span", { className: mine || follows ? "hidden" : `author ${colour(entry.from)}`, textContent: mine ? "You: " : entry.from }),
        make("p", { textContent: entry.text, dir: "auto" }),
        make(
          "span",
          { className: "meta" },
          time,
          mine && make("span", { className: "mark", textContent: mark, title: meaning, ariaHidden: "true" }),
          mine && make("span", { className: "hidden state", textContent: meaning }),
        ),
      ),
      entry.state === "refused" && this.#refusal(entry),
    );
  }

  #refusal(entry) {
    const button = make("button", { type: "button", className: "quiet", textContent: "Send again" });
    button.addEventListener("click", () => this.again(entry));
    return make("div", { className: "refusal" }, make("span", { textContent: `Not sent: ${entry.error}.` }), button);
  }

  #atEnd() {
    return this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < 60;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#latest.hidden = true;
  }
}

/** All that a drawn entry depends on, so that an equal one needs no drawing. */
function describe(entry, previous, me) {
  return [entry.state, entry.at, entry.error, groups(previous, entry), entry.from === me].join();
}

/** Whether two entries stand together as one person's. */
function groups(previous, entry) {
  return Boolean(previous?.from) && previous.from === entry.from && entry.at - previous.at < GROUP_WITHIN;
}

function* withDays(entries) {
  let day;
  for (const entry of entries) {
    const name = dayName(entry.at);
    if (name !== day) yield { id: `day-${name}`, state: "day", text: name, at: 0 };
    day = name;
    yield entry;
  }
}

function dayName(at) {
  const day = new Date(at);
  if (day.toDateString() === new Date().toDateString()) return "Today";
  return day.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
