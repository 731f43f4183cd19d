// The keys that a phone's keyboard lacks.

import { el } from "../dom.js";

const ARROWS = [["←", "Left", "D"], ["↓", "Down", "B"], ["↑", "Up", "A"], ["→", "Right", "C"]];

/** A row of keys; `type(text)` types.  Ctrl holds for the next key. */
export class Keys {
  #terminal;
  #held = false;
  #ctrl;

  constructor(terminal, type) {
    this.#terminal = terminal;
    this.#ctrl = key("Ctrl", "Ctrl", () => this.#hold(!this.#held));
    this.#ctrl.setAttribute("aria-pressed", "false");
    this.element = el("div", { class: "keys", role: "toolbar", "aria-label": "Keys" },
      key("Esc", "Esc", () => type("\x1b")),
      key("Tab", "Tab", () => type("\t")),
      this.#ctrl,
      ...ARROWS.map(([face, name, letter]) => key(face, name, () => type(this.#arrow(letter)))),
      key("|", "Pipe", () => type("|")),
      key("/", "Slash", () => type("/")),
    );
  }

  /** What is meant by `text` that was typed on the keyboard. */
  meant(text) {
    if (!this.#held || text.length !== 1) return text;
    this.#hold(false);
    return text >= "@" && text <= "~" ? String.fromCharCode(text.charCodeAt(0) & 0x1f) : text;
  }

  #hold(on) {
    this.#held = on;
    this.#ctrl.setAttribute("aria-pressed", String(on));
  }

  #arrow(letter) {
    return `\x1b${this.#terminal.modes.applicationCursorKeysMode ? "O" : "["}${letter}`;
  }
}

function key(face, name, press) {
  // the keyboard stays where it is
  const stay = (event) => event.preventDefault();
  return el("button", { type: "button", "aria-label": name, on: { click: press, pointerdown: stay, mousedown: stay } }, face);
}
