// The field in which messages are written, and the telling that somebody is writing.

import { byId } from "./view.js";

const TYPING_REPEAT = 2000;
const TYPING_PAUSE = 3000;

export class Composer {
  #field = byId("text");
  #toldAt = 0;
  #pause;

  /** `say(text)` is called for each message, `typing(active)` now and then while one is written. */
  constructor({ say, typing }) {
    this.typing = typing;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#field.value.trimEnd();
      if (text.trim() !== "") {
        say(text);
        this.#field.value = "";
        this.stop();
      }
      this.#fit();
      this.focus();
    });
    this.#field.addEventListener("keydown", (event) => {
      // While a word is being composed (Chinese, Japanese, …), Enter takes the word.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        byId("composer").requestSubmit();
      }
    });
    this.#field.addEventListener("input", () => {
      this.#fit();
      this.#tell(this.draft.trim() !== "");
    });
  }

  get draft() {
    return this.#field.value;
  }

  set draft(text) {
    this.#field.value = text;
    this.#fit();
  }

  focus() {
    this.#field.focus();
  }

  /** Tells the others that nothing is being written any more, if they think so. */
  stop() {
    this.#tell(false);
  }

  #tell(active) {
    clearTimeout(this.#pause);
    if (active) this.#pause = setTimeout(() => this.stop(), TYPING_PAUSE);
    const due = active ? Date.now() - this.#toldAt > TYPING_REPEAT : this.#toldAt > 0;
    if (!due) return;
    this.#toldAt = active ? Date.now() : 0;
    this.typing(active);
  }

  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
