// Puts the parts together: what the server says, what the user does, what is shown.

import { Connection } from "./connection.js";
import { Conversations, LOBBY, keyOf } from "./conversations.js";
import { Identity, newId } from "./identity.js";
import { MessageList, byId, listItem, paintAvatar } from "./view.js";

const TYPING_REPEAT = 2000;
const TYPING_ENDS = 4000;

const identity = new Identity();
const conversations = new Conversations();
/** Names of those who are online, and of all rooms with the number of people in each. */
let people = new Set();
let directory = new Map([["lobby", 0]]);
let open = conversations.get(LOBBY);
let wasOnline = false;

const messages = new MessageList((entry) => {
  entry.state = "waiting";
  connection.say({ id: entry.id, to: open.to, text: entry.text });
  drawMessages();
});

// ---- What the server says ----

const connection = new Connection(identity, {
  online(welcome) {
    identity.rename(welcome.name);
    people = new Set(welcome.people);
    directory = new Map(Object.entries(welcome.directory));
    const joined = new Set(welcome.rooms.map((room) => `#${room.name}`));
    for (const gone of conversations.rooms().filter((room) => !joined.has(room.key))) conversations.remove(gone.key);
    for (const room of welcome.rooms) takeHistory(room, wasOnline);
    if (!conversations.get(open.key)) open = conversations.get(LOBBY);
    rememberRooms();
    byId("sign-in").close();
    showState(wasOnline ? "back" : "online");
    wasOnline = true;
    drawAll();
    if (!matchMedia("(max-width: 760px)").matches) byId("text").focus();
  },
  offline() {
    showState("offline");
  },
  refused(why) {
    wasOnline = false;
    showState("signed-out");
    askName(why);
  },
  sent(draft, answer) {
    const conversation = conversations.get(keyOf(draft.to));
    const entry = conversation?.find(draft.id, identity.name);
    if (!entry) return;
    if (answer.error) Object.assign(entry, { state: "refused", error: answer.error });
    // The other's confirmation can overtake the answer.
    else conversation.add({ ...answer, state: entry.state === "delivered" ? "delivered" : "sent" });
    drawMessages();
  },
  message(message) {
    const conversation = conversations.of(message, identity.name);
    take(conversation, message, true);
    stopTyping(conversation, message.from);
    if (conversation.isRoom || message.from === identity.name) return;
    connection.tell("received", message.from, message.id);
  },
  received({ by, id }) {
    const entry = conversations.get(`@${by}`)?.find(id, identity.name);
    if (entry) entry.state = "delivered";
    drawMessages();
  },
  typing({ from, to, active }) {
    const key = "room" in to ? keyOf(to) : `@${from}`;
    const conversation = conversations.get(key);
    if (!conversation || from === identity.name) return;
    stopTyping(conversation, from);
    if (active) conversation.typing.set(from, setTimeout(() => stopTyping(conversation, from), TYPING_ENDS));
    drawTyping();
  },
  async joined({ room, name, people: count }) {
    directory.set(room, count);
    if (room === "lobby") people.add(name);
    const conversation = conversations.get(`#${room}`);
    // This user on another device: this one follows.
    if (name === identity.name && !conversation) takeHistory(await connection.ask("join", room), false);
    else if (name !== identity.name) conversation?.notice(`${name} joined`);
    drawAll();
  },
  async left({ room, name, people: count }) {
    if (count > 0) directory.set(room, count);
    else directory.delete(room);
    if (room === "lobby") people.delete(name);
    const conversation = conversations.get(`#${room}`);
    if (name === identity.name && conversation && room !== "lobby") {
      closeRoom(conversation);
      await connection.ask("leave", room);
    } else {
      conversation?.notice(`${name} left`);
      if (conversation) stopTyping(conversation, name);
    }
    drawAll();
  },
});

/** Takes over what was said in a room; `unread` tells whether what is new in it counts. */
function takeHistory(room, unread) {
  if (room.error) return room;
  const conversation = conversations.with({ room: room.name });
  for (const message of room.history) take(conversation, message, unread);
  rememberRooms();
  return conversation;
}

function take(conversation, message, counts) {
  const mine = message.from === identity.name;
  const added = conversation.add(mine ? { state: "sent", ...message } : message);
  const seen = conversation === open && !document.hidden;
  if (added && counts && !mine && !seen) conversation.unread += 1;
  if (conversation === open) drawMessages();
  drawLists();
}

// ---- What the user does ----

function select(conversation, { focus = true } = {}) {
  open.draft = byId("text").value;
  open = conversation;
  open.unread = 0;
  closeDrawer();
  const text = byId("text");
  text.value = open.draft;
  drawAll();
  messages.show(open, identity.name);
  fitText();
  if (focus) text.focus();
}

async function enterRoom(name) {
  const known = conversations.get(`#${name}`);
  if (known) return select(known);
  const room = takeHistory(await connection.ask("join", name), false);
  if (room.error) return room;
  select(room);
}

async function leaveRoom() {
  const room = open;
  const answer = await connection.ask("leave", room.title);
  if (answer?.error) return room.notice(`Not left: ${answer.error}`), drawMessages();
  closeRoom(room);
  drawAll();
}

function closeRoom(room) {
  conversations.remove(room.key);
  rememberRooms();
  if (room === open) select(conversations.get(LOBBY), { focus: false });
}

function rememberRooms() {
  identity.remember(conversations.rooms().filter((room) => room.key !== LOBBY).map((room) => room.title));
}

function say(text) {
  const message = { id: newId(), from: identity.name, to: open.to, text, at: Date.now(), state: "waiting" };
  open.add(message);
  connection.say({ id: message.id, to: message.to, text });
  drawMessages();
}

let typingSince = 0;
let typingPause;

function tellTyping(active) {
  clearTimeout(typingPause);
  if (active) typingPause = setTimeout(() => tellTyping(false), TYPING_ENDS - 1000);
  const due = active ? Date.now() - typingSince > TYPING_REPEAT : typingSince > 0;
  if (!due) return;
  typingSince = active ? Date.now() : 0;
  connection.tell("typing", open.to, active);
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text");
  if (text.value.trim() !== "") {
    say(text.value.trimEnd());
    text.value = "";
    tellTyping(false);
  }
  fitText();
  text.focus();
});

byId("text").addEventListener("keydown", (event) => {
  // While a word is being composed (Chinese, Japanese, …), Enter takes the word.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("composer").requestSubmit();
  }
});

byId("text").addEventListener("input", (event) => {
  fitText();
  tellTyping(event.target.value.trim() !== "");
});

byId("lists").addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]")?.dataset.key;
  if (!key) return;
  tellTyping(false);
  if (key.startsWith("#")) enterRoom(key.slice(1));
  else select(conversations.with({ user: key.slice(1) }));
});

byId("lists").addEventListener("keydown", (event) => {
  const entries = [...byId("lists").querySelectorAll(".entry")];
  const at = entries.indexOf(document.activeElement);
  const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 };
  const target = at >= 0 && entries[places[event.key]];
  if (!target) return;
  event.preventDefault();
  for (const entry of entries) entry.tabIndex = entry === target ? 0 : -1;
  target.focus();
});

byId("leave").addEventListener("click", leaveRoom);

byId("sign-out").addEventListener("click", () => {
  connection.close();
  identity.rename("");
  // The next one at this browser starts with an empty page.
  location.reload();
});

byId("link-device").addEventListener("click", () => {
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  byId("link-hint").textContent = local
    ? "This address works on this computer only. For a phone, open the chat by its network address first." : "";
  byId("link").value = identity.link();
  byId("link-dialog").showModal();
  byId("link").select();
});

byId("copy-link").addEventListener("click", async () => {
  byId("link").select();
  // The clipboard's interface is missing on plain HTTP; the old command is not.
  await navigator.clipboard?.writeText(byId("link").value).catch(() => {}) ?? document.execCommand("copy");
  byId("copy-link").textContent = "Copied";
  setTimeout(() => { byId("copy-link").textContent = "Copy"; }, 2000);
});

byId("new-room").addEventListener("click", () => {
  byId("room-error").textContent = "";
  byId("room-name").value = "";
  byId("room-dialog").showModal();
});

byId("room-dialog").addEventListener("submit", async (event) => {
  event.preventDefault();
  const refused = await enterRoom(byId("room-name").value.trim());
  if (refused) byId("room-error").textContent = `${capital(refused.error)}.`;
  else {
    byId("room-dialog").close();
    byId("text").focus();
  }
});

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// ---- Signing in ----

function askName(error) {
  byId("nickname").value = identity.name;
  byId("sign-in-error").textContent = error ? `${capital(error)}.` : "";
  if (!byId("sign-in").open) byId("sign-in").showModal();
  byId("nickname").select();
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  identity.rename(byId("nickname").value.trim());
  byId("sign-in-error").textContent = "";
  showState("connecting");
  connection.close();
  connection.open();
});

// Without a name there is nothing behind the question to go back to.
byId("sign-in").addEventListener("cancel", (event) => event.preventDefault());

// ---- The drawer, which the list becomes on a phone ----

const narrow = matchMedia("(max-width: 760px)");

function openDrawer() {
  document.body.classList.add("drawer");
  applyDrawer();
  (byId("lists").querySelector("[aria-current]") ?? byId("new-room")).focus();
}

function closeDrawer() {
  const had = byId("sidebar").contains(document.activeElement);
  document.body.classList.remove("drawer");
  applyDrawer();
  if (had && narrow.matches) byId("open-drawer").focus();
}

function applyDrawer() {
  const shown = document.body.classList.contains("drawer");
  // What is out of sight can't be reached by Tab either.
  byId("sidebar").inert = narrow.matches && !shown;
  byId("talk").inert = narrow.matches && shown;
  byId("open-drawer").setAttribute("aria-expanded", shown);
}

byId("open-drawer").addEventListener("click", openDrawer);
byId("close-drawer").addEventListener("click", closeDrawer);
byId("backdrop").addEventListener("click", closeDrawer);
narrow.addEventListener("change", closeDrawer);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (document.body.classList.contains("drawer")) closeDrawer();
  else byId("text").focus();
});

// ---- What is shown ----

function drawAll() {
  drawLists();
  drawHead();
  drawMessages();
  drawTyping();
}

function drawLists() {
  const focused = document.activeElement?.dataset?.key;
  const joined = conversations.rooms();
  const others = [...directory.keys()].filter((name) => !conversations.get(`#${name}`));
  const rooms = [
    ...joined.map((room) => ({ label: room.title, key: room.key, isRoom: true, unread: room.unread, note: directory.get(room.title) })),
    ...others.sort().map((name) => ({ label: name, key: `#${name}`, isRoom: true, joined: false, note: directory.get(name) })),
  ];
  const names = new Set([...people, ...conversations.private().map((conversation) => conversation.title)]);
  names.delete(identity.name);
  const persons = [...names].sort((a, b) => a.localeCompare(b)).map((name) => ({
    label: name,
    key: `@${name}`,
    unread: conversations.get(`@${name}`)?.unread,
    online: people.has(name),
    note: people.has(name) ? "" : "offline",
  }));
  const mark = (line) => listItem({ ...line, current: line.key === open.key });
  byId("rooms").replaceChildren(...rooms.map(mark));
  byId("people").replaceChildren(...persons.map(mark));
  byId("people-count").textContent = people.size || "";
  byId("alone").hidden = persons.length > 0;
  // One stop for Tab in the whole list; the arrows go on from there.
  const entries = [...byId("lists").querySelectorAll(".entry")];
  const stop = entries.find((entry) => entry.dataset.key === (focused ?? open.key)) ?? entries[0];
  if (stop) stop.tabIndex = 0;
  if (focused) stop?.focus();
  const unread = conversations.unread();
  document.title = `${unread ? `(${unread}) ` : ""}${open.isRoom ? "#" : ""}${open.title} · Sockeye chat`;
  byId("elsewhere").hidden = unread === 0;
  byId("open-drawer").setAttribute("aria-label", unread ? `Conversations, ${unread} unread` : "Conversations");
}

function drawHead() {
  const count = directory.get(open.title) ?? 0;
  byId("title").textContent = open.title;
  byId("title").classList.toggle("room", open.isRoom);
  byId("subtitle").textContent = open.isRoom
    ? `${count} ${count === 1 ? "person" : "people"}`
    : `Private · ${people.has(open.title) ? "online" : "offline"}`;
  byId("leave").hidden = !open.isRoom || open.key === LOBBY;
  byId("text").placeholder = `Message ${open.isRoom ? "#" : ""}${open.title}`;
  byId("my-name").textContent = identity.name;
  paintAvatar(byId("my-avatar"), identity.name);
}

function drawMessages() {
  messages.update(open, identity.name);
}

function drawTyping() {
  const names = [...open.typing.keys()];
  const who = names.length > 2 ? `${names.length} people` : names.join(" and ");
  byId("typing").textContent = names.length ? `${who} ${names.length === 1 ? "is" : "are"} typing` : "";
}

function stopTyping(conversation, name) {
  clearTimeout(conversation.typing.get(name));
  conversation.typing.delete(name);
  drawTyping();
}

const STATES = {
  connecting: ["connecting", ""],
  online: ["online", ""],
  offline: ["offline", "Connection lost. Trying again… What you write now is sent when it is back."],
  back: ["online", "Connected again."],
  "signed-out": ["signed out", ""],
};
let bannerEnds;

function showState(state) {
  const [short, long] = STATES[state];
  document.body.dataset.state = state;
  byId("my-state").textContent = short;
  const banner = byId("banner");
  banner.textContent = long;
  banner.hidden = long === "";
  clearTimeout(bannerEnds);
  if (state === "back") bannerEnds = setTimeout(() => showState("online"), 2500);
}

function fitText() {
  const text = byId("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

function capital(sentence) {
  return sentence[0].toUpperCase() + sentence.slice(1);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  open.unread = 0;
  drawLists();
});

// For tests and for the curious: `chat.socket.io.engine.transport.name` in the browser's console.
window.chat = { socket: connection.socket };

applyDrawer();
showState("connecting");
drawAll();
if (identity.name) connection.open();
else askName("");
