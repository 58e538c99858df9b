// Puts the parts together: the teams one is in, the group on display, what the user does.

import { Composer } from "/stage/composer.js";
import { options } from "/stage/connection.js";
import { closeDrawer, dialog, fillLists, hasRoom, onChoice, openDrawer, showState, showUnread } from "/stage/frame.js";
import { Identity, newId } from "/stage/identity.js";
import { SignIn, showLink } from "/stage/sign-in.js";
import { MessageList, byId, drawTyping, make, paintAvatar, sentence } from "/stage/view.js";
import { Team } from "/team.js";

const STORE = "sockeye-teams-joined";
const EVERYBODY = "#everybody";

const identity = new Identity("sockeye-teams");
const teams = new Map();
/** The main namespace, for new teams. The first socket made is the one whose options count for the connection that all share. */
const door = window.io("/", options(() => ({})));
/** The team and the conversation on display, once there are any. */
let open;
let wasOnline = false;

const messages = new MessageList((entry) => {
  entry.state = "waiting";
  open.team.say({ id: entry.id, to: open.group.to, text: entry.text });
  drawMessages();
});

// ---- The teams ----

function enter(invitation) {
  if (teams.has(invitation.team)) teams.get(invitation.team).close();
  const team = new Team(invitation, identity, {
    changed(team) {
      if (!open && team.state === "online") select(team, team.conversations.get(EVERYBODY), { focus: hasRoom() });
      if (open?.team === team && !team.conversations.get(open.group.key)) open.group = team.conversations.with({ room: "everybody" });
      remember();
      drawAll();
    },
    message(team, conversation) {
      const seen = conversation === open?.group && !document.hidden;
      if (!seen && conversation.entries.at(-1).from !== identity.name) conversation.unread += 1;
      drawAll();
    },
  });
  teams.set(team.name, team);
  remember();
  drawAll();
}

function leaveTeam(team) {
  team.close();
  teams.delete(team.name);
  open = undefined;
  const other = [...teams.values()].find(({ state }) => state === "online");
  if (other) select(other, other.conversations.get(EVERYBODY));
  remember();
  drawAll();
}

/** Asks the server for a new team, in the main namespace, which is for nothing else. */
async function found(name) {
  door.connect();
  try {
    const founded = await door.timeout(5000).emitWithAck("found", name);
    if (founded.error) return founded;
    open = undefined;
    enter(founded);
  } catch {
    return { error: "the server did not answer" };
  } finally {
    door.disconnect();
  }
}

function remember() {
  const joined = [...teams.values()].map((team) => team.remember());
  try {
    localStorage.setItem(STORE, JSON.stringify(joined));
  } catch {
    // A private window may refuse: then the links are needed again next time.
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? [];
  } catch {
    return [];
  }
}

/** The team of a link that was opened. */
function invited() {
  const secret = new URLSearchParams(location.hash.slice(1));
  if (!secret.get("team") || !secret.get("token")) return [];
  history.replaceState(null, "", location.pathname + location.search);
  return [{ team: secret.get("team"), token: secret.get("token") }];
}

// ---- What the user does ----

function select(team, group, { focus = true } = {}) {
  if (open) {
    composer.stop();
    open.group.draft = composer.draft;
  }
  open = { team, group };
  remember();
  group.unread = 0;
  closeDrawer();
  composer.draft = group.draft;
  drawAll();
  messages.show(group, identity.name);
  if (focus) composer.focus();
}

async function choose(key) {
  const at = key.indexOf("#");
  const [team, name] = [teams.get(key.slice(0, at)), key.slice(at + 1)];
  const known = team.conversations.get(`#${name}`);
  if (known) return select(team, known);
  if (team.state === "refused") return select(team, team.conversations.with({ room: "everybody" }));
  const joined = await team.join(name);
  if (joined.error) return joined;
  select(team, joined);
}

onChoice(choose);

const composer = new Composer({
  say(text) {
    const message = { id: newId(), from: identity.name, to: open.group.to, text, at: Date.now(), state: "waiting" };
    open.group.add(message);
    open.team.say({ id: message.id, to: message.to, text });
    drawMessages();
  },
  typing: (active) => open?.team.connection.mention("typing", open.group.title, active),
});

byId("leave").addEventListener("click", async () => {
  const { team, group } = open;
  if (group.key === EVERYBODY) return leaveTeam(team);
  await team.leave(group);
  select(team, team.conversations.get(EVERYBODY), { focus: false });
});

let growing;
const askTeam = dialog("team-dialog", found);
const askGroup = dialog("group-dialog", (name) => choose(`${growing.name}#${name}`));
byId("new-team").addEventListener("click", askTeam);
byId("first-team").addEventListener("click", askTeam);

byId("teams").addEventListener("click", (event) => {
  const { team: name, action } = event.target.closest("[data-action]")?.dataset ?? {};
  if (!name) return;
  growing = teams.get(name);
  if (action === "group") askGroup();
  else showLink("invitation", growing.link());
});

const signIn = new SignIn(identity, {
  enter: begin,
  leave: () => Promise.all([...teams.values()].map((team) => team.close())),
});

function begin() {
  signIn.close();
  for (const invitation of [...remembered(), ...invitations]) enter(invitation);
  invitations = [];
  drawAll();
  if (teams.size === 0 && !hasRoom()) openDrawer();
}

// ---- What is shown ----

function drawAll() {
  drawLists();
  drawHead();
  drawState();
  drawMessages();
  drawTyping([...(open?.group.typing.keys() ?? [])]);
}

function drawLists() {
  drawSections();
  const lists = [...teams.values()].map((team) => [byId(`team-${team.name}`), lines(team)]);
  fillLists(lists, open && `${open.team.name}${open.group.key}`);
  byId("new-team").tabIndex = 0;
  const unread = [...teams.values()].reduce((sum, team) => sum + team.conversations.unread(), 0);
  showUnread(unread, `${open ? `${open.group.title} · ${open.team.name} · ` : ""}Sockeye teams`);
}

/** A heading and a list for each team; drawn afresh only when there are others. */
function drawSections() {
  const names = [...teams.keys()];
  const drawn = [...byId("teams").children].map((section) => section.dataset.name);
  if (names.join() === drawn.join()) return;
  const button = (team, action, text, label) => {
    const made = make("button", { className: text === "+" ? "icon" : "icon words", type: "button", textContent: text, title: label });
    made.setAttribute("aria-label", label);
    Object.assign(made.dataset, { team, action });
    return made;
  };
  byId("teams").replaceChildren(...names.map((name) => {
    const section = make(
      "section",
      { ariaLabel: name },
      make(
        "div",
        { className: "list-head" },
        make("h2", { textContent: name }),
        make(
          "span",
          { className: "buttons" },
          button(name, "invite", "Invite", `Invite to ${name}`),
          button(name, "group", "+", `Create or join a group in ${name}`),
        ),
      ),
      make("ul", { id: `team-${name}`, role: "list" }),
    );
    section.dataset.name = name;
    return section;
  }));
}

function lines(team) {
  if (team.state === "refused") return [{ label: "closed to you", key: `${team.name}${EVERYBODY}`, isRoom: true, online: false }];
  const joined = team.conversations.rooms();
  const others = [...team.groups.keys()].filter((name) => !team.conversations.get(`#${name}`));
  const note = (name) => team.groups.get(name)?.length;
  return [
    ...joined.map(({ title, key, unread }) => ({ label: title, key: team.name + key, isRoom: true, unread, note: note(title) })),
    ...others.map((name) => ({ label: name, key: `${team.name}#${name}`, isRoom: true, joined: false, note: note(name) })),
  ];
}

function drawHead() {
  const refused = open?.team.state === "refused";
  const members = open?.team.groups.get(open.group.title) ?? [];
  byId("title").textContent = open?.group.title ?? "Teams";
  byId("title").classList.toggle("room", open !== undefined);
  byId("subtitle").textContent = open ? `${open.team.name} · ${members.map((name) => (name === identity.name ? "you" : name)).join(", ")}` : "";
  byId("leave").hidden = open === undefined;
  byId("leave").textContent = open?.group.key === EVERYBODY ? "Leave team" : "Leave";
  byId("text").placeholder = `Message #${open?.group.title ?? ""}`;
  byId("my-name").textContent = identity.name;
  paintAvatar(byId("my-avatar"), identity.name);
  byId("choose").hidden = open !== undefined && !refused;
  byId("choose-text").textContent = refused
    ? sentence(open.team.why) : "Create a team, or open the link that somebody has sent you.";
  for (const part of ["scroll", "typing", "composer"]) byId(part).hidden = open === undefined || refused;
}

/** All teams share one connection, so those that are not refused are online or offline together. */
function drawState() {
  const states = [...teams.values()].map(({ state }) => state).filter((state) => state !== "refused");
  const online = states.length === 0 || states.includes("online");
  const lost = states.includes("offline");
  const state = lost ? "offline" : online ? "online" : "connecting";
  if (state === "online" && wasOnline && document.body.dataset.state === "offline") showState("back");
  else if (!(state === "online" && document.body.dataset.state === "back")) showState(identity.name ? state : "signed-out");
  wasOnline ||= states.includes("online");
}

function drawMessages() {
  if (open) messages.update(open.group, identity.name);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !open) return;
  open.group.unread = 0;
  drawLists();
});

// For tests and for the curious, in the browser's console.
window.teams = teams;

let invitations = invited();
showState("connecting");
drawAll();
if (identity.name) begin();
else signIn.ask("");
