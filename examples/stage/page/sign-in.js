// Asking for a nickname, changing it, and taking it to another device.

import { byId, sentence } from "./view.js";

export class SignIn {
  /** `enter()` is called when there is a new name, `leave()` when it is given up; the page goes on when that has resolved. */
  constructor(identity, { enter, leave }) {
    this.identity = identity;
    byId("sign-in").addEventListener("submit", (event) => {
      event.preventDefault();
      identity.rename(byId("nickname").value.trim());
      byId("sign-in-error").textContent = "";
      enter();
    });
    // Without a name there is nothing behind the question to go back to.
    byId("sign-in").addEventListener("cancel", (event) => event.preventDefault());
    byId("sign-out").addEventListener("click", async () => {
      await leave();
      identity.rename("");
      // The next one at this browser starts with an empty page.
      location.reload();
    });
    byId("link-device")?.addEventListener("click", () => {
      const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
      byId("link-hint").textContent = local
        ? "This address works on this computer only. For a phone, open the page by its network address first." : "";
      showLink("link", identity.link());
    });
  }

  ask(error) {
    byId("nickname").value = this.identity.name;
    byId("sign-in-error").textContent = sentence(error);
    if (!byId("sign-in").open) byId("sign-in").showModal();
    byId("nickname").select();
  }

  close() {
    byId("sign-in").close();
  }
}

/** Opens the dialog `<id>-dialog` with an address in its field `<id>`, to be copied. */
export function showLink(id, address) {
  const field = byId(id);
  field.value = address;
  byId(`${id}-dialog`).showModal();
  field.select();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = byId(button.dataset.copy);
    field.select();
    // The clipboard's interface is missing on plain HTTP; the old command is not.
    await navigator.clipboard?.writeText(field.value).catch(() => {}) ?? document.execCommand("copy");
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
