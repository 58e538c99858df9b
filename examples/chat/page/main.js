// Puts the parts together: what the server says, what the user does, what is shown.

import { Composer } from "/stage/composer.js";
import { Connection, options } from "/stage/connection.js";
import { Conversations, keyOf } from "/stage/conversations.js";
import { closeDrawer, dialog, fillLists, hasRoom, onChoice, showState, showUnread } from "/stage/frame.js";
import { Identity, newId } from "/stage/identity.js";
import { SignIn } from "/stage/sign-in.js";
import { MessageList, byId, drawTyping, paintAvatar } from "/stage/view.js";

const LOBBY = "#lobby";

const identity = new Identity("sockeye-chat");
const conversations = new Conversations();
/** Names of those who are online, and of all rooms with the number of people in each. */
let people = new Set();
let directory = new Map([["lobby", 0]]);
let open = conversations.with({ room: "lobby" });
let wasOnline = false;

const messages = new MessageList((entry) => {
  entry.state = "waiting";
  connection.say({ id: entry.id, to: open.to, text: entry.text });
  drawMessages();
});

// ---- What the server says ----

const socket = window.io(options(() => ({ name: identity.name, key: identity.key, rooms: identity.rooms })));
const connection = new Connection(socket, ["message", "received", "typing", "joined", "left"], {
  online(welcome) {
    identity.rename(welcome.name);
    people = new Set(welcome.people);
    directory = new Map(Object.entries(welcome.directory));
    const joined = new Set(welcome.rooms.map((room) => `#${room.name}`));
    for (const gone of conversations.rooms().filter((room) => !joined.has(room.key))) conversations.remove(gone.key);
    for (const room of welcome.rooms) takeHistory(room, wasOnline);
    if (!conversations.get(open.key)) open = conversations.get(LOBBY);
    rememberRooms();
    signIn.close();
    showState(wasOnline ? "back" : "online");
    wasOnline = true;
    drawAll();
    if (hasRoom()) composer.focus();
  },
  recovered() {
    showState("back");
  },
  offline() {
    showState("offline");
  },
  refused(why) {
    wasOnline = false;
    showState("signed-out");
    signIn.ask(why);
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
    conversation.types(message.from, false, showTyping);
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
    if (from !== identity.name) conversations.get(key)?.types(from, active, showTyping);
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
      conversation?.types(name, false, showTyping);
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
  composer.stop();
  open.draft = composer.draft;
  open = conversation;
  open.unread = 0;
  closeDrawer();
  composer.draft = open.draft;
  drawAll();
  messages.show(open, identity.name);
  if (focus) composer.focus();
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

const composer = new Composer({ say, typing: (active) => connection.mention("typing", open.to, active) });

onChoice((key) => {
  if (key.startsWith("#")) enterRoom(key.slice(1));
  else select(conversations.with({ user: key.slice(1) }));
});

byId("leave").addEventListener("click", leaveRoom);
byId("new-room").addEventListener("click", dialog("room-dialog", enterRoom));

const signIn = new SignIn(identity, {
  enter() {
    showState("connecting");
    connection.close();
    connection.open();
  },
  leave: () => connection.close(),
});

// ---- What is shown ----

function drawAll() {
  drawLists();
  drawHead();
  drawMessages();
  showTyping();
}

function drawLists() {
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
  fillLists([[byId("rooms"), rooms], [byId("people"), persons]], open.key);
  byId("people-count").textContent = people.size || "";
  byId("alone").hidden = persons.length > 0;
  showUnread(conversations.unread(), `${open.isRoom ? "#" : ""}${open.title} · Sockeye chat`);
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

function showTyping() {
  drawTyping([...open.typing.keys()]);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  open.unread = 0;
  drawLists();
});

// For tests and for the curious: `chat.socket.io.engine.transport.name` in the browser's console.
window.chat = { socket: connection.socket };

showState("connecting");
drawAll();
if (identity.name) connection.open();
else signIn.ask("");
