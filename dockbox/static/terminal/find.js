// Finding text in what the terminal has shown.

import { el } from "../dom.js";
import { button } from "../header.js";

const LIMIT = 1000; // matches that are marked
const MARKS = {
  matchBackground: "#e0b252", matchOverviewRuler: "#e0b252",
  activeMatchBackground: "#f08c3a", activeMatchColorOverviewRuler: "#f08c3a",
};

/** The bar for it; `open()` shows it and `close()` ends it.  The add-on comes when it is needed. */
export class Find {
  #terminal;
  #addon = null;
  #input = el("input", { type: "search", "aria-label": "Find in the terminal", placeholder: "Find", spellcheck: "false" });
  #count = el("span", { class: "find-count", role: "status" });

  constructor(terminal) {
    this.#terminal = terminal;
    this.element = el("search", { class: "find", hidden: true },
      this.#input, this.#count,
      button("up", "Previous match", { on: { click: () => this.#go("findPrevious") } }),
      button("down", "Next match", { on: { click: () => this.#go("findNext") } }),
      button("close", "Close the search", { on: { click: () => this.close() } }),
    );
    this.#input.addEventListener("input", () => this.#go("findNext", true));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      if (event.key === "Enter" && event.target === this.#input) this.#go(event.shiftKey ? "findPrevious" : "findNext");
    });
  }

  async open() {
    this.element.hidden = false;
    const selected = this.#terminal.getSelection();
    if (selected && !selected.includes("\n")) this.#input.value = selected;
    this.#input.focus();
    this.#input.select();
    if (!this.#addon) {
      const { SearchAddon } = await import("../vendor/addon-search.mjs");
      this.#addon ??= new SearchAddon({ highlightLimit: LIMIT });
      this.#terminal.loadAddon(this.#addon);
      this.#addon.onDidChangeResults((found) => this.#tell(found));
    }
    this.#go("findNext", true);
  }

  close() {
    this.element.hidden = true;
    this.#addon?.clearDecorations();
    this.#terminal.focus();
  }

  #go(way, incremental = false) {
    const text = this.#input.value;
    if (!text) this.#addon?.clearDecorations();
    this.#count.textContent = "";
    this.#addon?.[way](text, { incremental: incremental && way === "findNext", decorations: MARKS });
  }

  #tell({ resultIndex, resultCount }) {
    if (!this.#input.value) return;
    const many = resultCount >= LIMIT ? `${LIMIT}+` : resultCount;
    this.#count.textContent = resultCount ? `${resultIndex + 1} of ${many}` : "Nothing";
  }
}
