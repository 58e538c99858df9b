// The frame of a page: the lists at the side, which become a drawer on a phone, the banner, the dialogs.
// Every page has just one, so importing this file sets it up.

import { byId, listItem, sentence } from "./view.js";

const narrow = matchMedia("(max-width: 760px)");

// ---- The drawer ----

export function openDrawer() {
  if (!narrow.matches) return;
  document.body.classList.add("drawer");
  applyDrawer();
  const lists = byId("lists");
  (lists.querySelector("[aria-current]") ?? lists.querySelector(".entry") ?? byId("close-drawer")).focus();
}

export function closeDrawer() {
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
  else byId("text")?.focus();
});
applyDrawer();

/** Whether the message field may take the focus by itself: on a phone the keyboard would cover the page. */
export function hasRoom() {
  return !narrow.matches;
}

// ---- The lists ----

/** Calls `choose(key)` when a line of the lists is clicked; the arrow keys go through them. */
export function onChoice(choose) {
  byId("lists").addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]")?.dataset.key;
    if (key) choose(key);
  });
}

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

/** Fills lists afresh: pairs of a list's element and its lines. `current` is the key of the line that is open. */
export function fillLists(lists, current) {
  const focused = document.activeElement?.dataset?.key;
  for (const [list, lines] of lists) {
    list.replaceChildren(...lines.map((line) => listItem({ ...line, current: line.key === current })));
  }
  // One stop for Tab in all lists together; the arrows go on from there.
  const entries = [...byId("lists").querySelectorAll(".entry")];
  for (const entry of entries) entry.tabIndex = -1;
  const stop = entries.find((entry) => entry.dataset.key === (focused ?? current)) ?? entries[0];
  if (stop) stop.tabIndex = 0;
  if (focused) stop?.focus();
}

/** Tells how much is unread, where it is seen without the lists. */
export function showUnread(unread, title) {
  document.title = `${unread ? `(${unread}) ` : ""}${title}`;
  byId("elsewhere").hidden = unread === 0;
  byId("open-drawer").setAttribute("aria-label", unread ? `Conversations, ${unread} unread` : "Conversations");
}

// ---- The banner ----

const STATES = {
  connecting: ["connecting", ""],
  online: ["online", ""],
  offline: ["offline", "Connection lost. Trying again… What you write now is sent when it is back."],
  back: ["online", "Connected again."],
  "signed-out": ["signed out", ""],
};
let bannerEnds;

/** Shows how the connection is: one of the `STATES`. */
export function showState(state) {
  const [short, long] = STATES[state];
  document.body.dataset.state = state;
  byId("my-state").textContent = short;
  const banner = byId("banner");
  banner.textContent = long;
  banner.hidden = long === "";
  clearTimeout(bannerEnds);
  if (state === "back") bannerEnds = setTimeout(() => showState("online"), 2500);
}

// ---- Dialogs ----

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

/** Opens a dialog that asks for a name. `enter(name)` returns what the server says; its `error` is shown, else the dialog closes. */
export function dialog(id, enter) {
  const element = byId(id);
  const [field, error] = [element.querySelector("input"), element.querySelector(".error")];
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const refused = (await enter(field.value.trim()))?.error;
    if (refused) error.textContent = sentence(refused);
    else {
      element.close();
      byId("text").focus();
    }
  });
  return () => {
    error.textContent = "";
    field.value = "";
    element.showModal();
  };
}
