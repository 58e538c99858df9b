// Shows notices as they come, for the holder of the token in the page's address.

import { byId, make, sentence } from "/stage/view.js";

const MOST_NOTICES = 200;
const STORE = "sockeye-notices";

const followed = new Set(read());
let socket;
let unseen = 0;

function connect(token) {
  socket?.disconnect();
  socket = window.io("/notice", {
    path: "/notice",
    query: { token },
    // A function, so that every attempt tells the topics of that moment.
    auth: (send) => send({ topics: [...followed] }),
    forceNew: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 4000,
  });
  socket.on("welcome", ({ name, topics }) => {
    byId("name").textContent = name;
    byId("token-form").hidden = true;
    drawTopics(topics);
    showState("online", "online");
    byId("none").hidden = byId("notices").childElementCount > 0;
  });
  socket.on("disconnect", () => showState("offline", "connection lost, trying again"));
  socket.on("connect_error", (error) => {
    // Active means: the network failed and the client goes on trying. Otherwise the server said no, and why.
    if (socket.active) showState("offline", "no connection, trying again");
    else askToken(error.data?.hint ?? error.message);
  });
  socket.on("notice", show);
  // For tests and for the curious, in the browser's console.
  window.notices = { socket };
}

function askToken(why) {
  showState("signed-out", "signed out");
  byId("token-error").textContent = sentence(why);
  byId("token-form").hidden = false;
  byId("topics").hidden = true;
  byId("none").hidden = true;
  byId("token").focus();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  connect(byId("token").value.trim());
});

function show(notice) {
  const at = new Date(notice.at);
  const item = make(
    "li",
    { className: "notice-card" },
    make("p", { className: "tag", textContent: target(notice.to) }),
    make("h2", { textContent: notice.title, dir: "auto" }),
    notice.text && make("p", { textContent: notice.text, dir: "auto" }),
    make("time", { dateTime: at.toISOString(), textContent: at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) }),
  );
  byId("notices").prepend(item);
  // A page that stays open for days keeps what can be read back, not everything.
  if (byId("notices").childElementCount > MOST_NOTICES) byId("notices").lastElementChild.remove();
  byId("none").hidden = true;
  if (document.hidden) unseen += 1;
  drawTitle();
}

function target(to) {
  if (to === "all") return "For everybody";
  return "topic" in to ? `Topic ${to.topic}` : "For you";
}

function drawTopics(topics) {
  const boxes = topics.map((topic) => {
    const box = make("input", { type: "checkbox", checked: followed.has(topic) });
    box.addEventListener("change", () => follow(topic, box.checked));
    return make("label", {}, box, make("span", { textContent: topic }));
  });
  byId("topic-list").replaceChildren(...boxes);
  byId("topics").hidden = false;
}

function follow(topic, wanted) {
  if (wanted) followed.add(topic);
  else followed.delete(topic);
  // While there is no connection the next one tells it.
  if (socket.connected) socket.emit(wanted ? "follow" : "unfollow", topic);
  try {
    localStorage.setItem(STORE, JSON.stringify([...followed]));
  } catch {
    // A private window may refuse: then the topics are chosen again next time.
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? [];
  } catch {
    return [];
  }
}

function showState(state, words) {
  document.body.dataset.state = state;
  byId("state").textContent = words;
}

function drawTitle() {
  document.title = `${unseen ? `(${unseen}) ` : ""}Sockeye notices`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  drawTitle();
});

const token = new URLSearchParams(location.search).get("token");
if (token) connect(token);
else askToken("");
