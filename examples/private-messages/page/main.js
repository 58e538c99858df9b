// Puts the parts together: what the server says, what the user does, what is shown.

import { Composer } from "/stage/composer.js";
import { Connection, options } from "/stage/connection.js";
import { Conversations } from "/stage/conversations.js";
import { closeDrawer, fillLists, hasRoom, onChoice, openDrawer, showState, showUnread } from "/stage/frame.js";
import { Identity, newId } from "/stage/identity.js";
import { SignIn } from "/stage/sign-in.js";
import { MessageList, byId, drawTyping, paintAvatar } from "/stage/view.js";

const identity = new Identity("sockeye-messages");
const conversations = new Conversations();
/** Everybody who has an account, and whether they are online. */
let people = new Map();
/** The conversation on display, once there is one. */
let open;
let wasOnline = false;

const messages = new MessageList((entry) => {
  entry.state = "waiting";
  connection.say({ id: entry.id, to: open.to, text: entry.text });
  drawMessages();
});

// ---- What the server says ----

const socket = window.io(options(() => ({ name: identity.name, key: identity.key })));
const connection = new Connection(socket, ["message", "read", "seen", "typing", "presence"], {
  online(welcome) {
    identity.rename(welcome.name);
    people = new Map(welcome.people.map(({ name, online }) => [name, online]));
    // The mailbox has all devices' mail. What is known already is not added twice.
    for (const mail of welcome.mail) take(mail);
    for (const conversation of conversations.private()) countUnread(conversation);
    signIn.close();
    showState(wasOnline ? "back" : "online");
    drawAll();
    if (open) show();
    else if (!wasOnline && !hasRoom()) openDrawer();
    if (open && hasRoom()) composer.focus();
    wasOnline = true;
  },
  offline() {
    showState("offline");
  },
  refused(why) {
    showState("signed-out");
    signIn.ask(why);
  },
  sent(draft, answer) {
    const conversation = conversations.with(draft.to);
    const entry = conversation.find(draft.id, identity.name);
    if (!entry) return;
    if (answer.error) Object.assign(entry, { state: "refused", error: answer.error });
    // That it was seen can overtake the answer.
    else conversation.add({ ...answer, state: entry.state === "seen" ? "seen" : "sent" });
    drawMessages();
  },
  message(message) {
    const conversation = take({ ...message, read: false });
    conversation.types(message.from, false, showTyping);
    if (conversation === open) show();
    countUnread(conversation);
    drawLists();
  },
  read(name) {
    const conversation = conversations.with({ user: name });
    markRead(conversation);
    drawLists();
  },
  seen(name) {
    for (const entry of conversations.with({ user: name }).entries) if (entry.state === "sent") entry.state = "seen";
    drawMessages();
  },
  typing(name, active) {
    conversations.with({ user: name }).types(name, active, showTyping);
  },
  presence({ name, online }) {
    people.set(name, online);
    if (!online) conversations.get(`@${name}`)?.types(name, false, showTyping);
    drawLists();
    drawHead();
  },
});

/** Files a message under the other person, and returns that conversation. */
function take(mail) {
  const conversation = conversations.of(mail, identity.name);
  if (mail.from === identity.name) conversation.add({ ...mail, state: mail.read ? "seen" : "sent" });
  else conversation.add(mail);
  return conversation;
}

// ---- What the user does ----

function select(conversation) {
  if (open) {
    composer.stop();
    open.draft = composer.draft;
  }
  open = conversation;
  closeDrawer();
  drawAll();
  composer.draft = open.draft;
  messages.show(open, identity.name);
  show();
  composer.focus();
}

/** What is on display is read: here, and so on all devices. */
function show() {
  drawMessages();
  if (document.hidden || !connection.online) return;
  if (markRead(open)) connection.ask("read", open.title);
  drawLists();
}

/** Returns whether something was new. */
function markRead(conversation) {
  const unread = conversation.entries.filter((entry) => entry.read === false && entry.from !== identity.name);
  for (const entry of unread) entry.read = true;
  countUnread(conversation);
  return unread.length > 0;
}

function countUnread(conversation) {
  conversation.unread = conversation.entries.filter((entry) => entry.read === false && entry.from !== identity.name).length;
}

function say(text) {
  const message = { id: newId(), from: identity.name, to: open.to, text, at: Date.now(), state: "waiting" };
  open.add(message);
  connection.say({ id: message.id, to: message.to, text });
  drawMessages();
}

const composer = new Composer({ say, typing: (active) => connection.mention("typing", open.title, active) });

onChoice((key) => select(conversations.with({ user: key.slice(1) })));

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
  const lines = [...people.keys()].filter((name) => name !== identity.name).map((name) => ({
    label: name,
    key: `@${name}`,
    unread: conversations.get(`@${name}`)?.unread,
    online: people.get(name),
    note: people.get(name) ? "" : "away",
  }));
  lines.sort((a, b) => b.online - a.online || a.label.localeCompare(b.label));
  fillLists([[byId("people"), lines]], open?.key);
  byId("alone").hidden = lines.length > 0;
  showUnread(conversations.unread(), `${open ? `${open.title} · ` : ""}Sockeye messages`);
}

function drawHead() {
  const state = people.get(open?.title) ? "online" : "away: gets your messages later";
  byId("title").textContent = open?.title ?? "Messages";
  byId("subtitle").textContent = open ? state : "";
  byId("text").placeholder = `Message ${open?.title ?? ""}`;
  byId("my-name").textContent = identity.name;
  paintAvatar(byId("my-avatar"), identity.name);
  byId("choose").hidden = open !== undefined;
  for (const part of ["scroll", "typing", "composer"]) byId(part).hidden = open === undefined;
}

function drawMessages() {
  if (open) messages.update(open, identity.name);
}

function showTyping() {
  drawTyping([...(open?.typing.keys() ?? [])]);
}

document.addEventListener("visibilitychange", () => {
  if (open) show();
});

// For tests and for the curious, in the browser's console.
window.messages = { socket };

showState("connecting");
drawAll();
if (identity.name) connection.open();
else signIn.ask("");
