// A dockbox's terminal.

import { copy } from "../clipboard.js";
import { el, replace } from "../dom.js";
import { icon } from "../icons.js";
import { Connection } from "../terminal/connection.js";
import { Find } from "../terminal/find.js";
import { Flow } from "../terminal/flow.js";
import { Keys } from "../terminal/keys.js";
import { menu } from "../terminal/menu.js";
import { Notice } from "../terminal/notice.js";
import { Screen } from "../terminal/screen.js";

const STATES = { connecting: "Connecting", waiting: "Connecting", open: "Connected", ended: "Not connected" };
const RESET = "\x1bc"; // in order with what still waits to be drawn

export function mount(root, context) {
  const { actions, announce, api, params, title } = context;
  const place = el("div", { class: "screen" });
  const frame = el("section", { class: "frame", "aria-label": "Terminal" }, place);
  replace(root, frame);
  title(params.id);
  const screen = new Screen(place);
  const { terminal } = screen;
  root.terminal = terminal; // for tests, and for whoever extends this
  const find = new Find(terminal);
  const notice = new Notice((offer) => act(offer, context, connection));
  const about = label(actions.place, params.id);
  let again = false;

  const connection = new Connection(api, params.id, {
    size: () => screen.size,
    on: {
      open: (types) => {
        if (again) terminal.write(RESET); // the recent output is sent again
        again = true;
        flow.fresh();
        terminal.options.disableStdin = !types;
        about.types(types);
        frame.classList.toggle("view-only", !types);
      },
      output: (bytes) => flow.write(bytes),
      title: () => {},
      state: (state, details) => {
        frame.dataset.state = state;
        notice.show(state, details, again);
        about.state(state);
        if (state === "open") {
          announce("Connected.");
          if (document.activeElement === document.body) terminal.focus();
        }
      },
    },
  });
  const flow = new Flow(terminal, connection);
  const keys = new Keys(terminal, (text) => connection.type(text));
  frame.append(find.element, notice.element, keys.element);
  terminal.onData((text) => connection.type(keys.meant(text)));
  terminal.onBinary((text) => connection.type(Uint8Array.from(text, (one) => one.charCodeAt(0))));
  terminal.onResize((size) => connection.resize(size));
  terminal.onTitleChange((text) => title(text || params.id));
  terminal.attachCustomKeyEventHandler((event) => shortcut(event, terminal, find));
  const forget = menu(actions.items, {
    find: () => {
      actions.close();
      find.open();
    },
    paste: (text) => {
      actions.close();
      terminal.paste(text);
      terminal.focus();
    },
  });
  const files = { class: "menu-item", href: `/~files/${encodeURIComponent(params.id)}`, "data-view": true };
  if (!api.guest) actions.items.prepend(el("a", files, "Files"));
  const release = follow(root);
  describe(api, params.id, about);
  terminal.focus();
  connection.connect();

  return () => {
    connection.close();
    notice.close();
    forget();
    release();
    screen.dispose();
    delete root.terminal;
  };
}

/** Our keys, which the shell does not get; the menu lists them. */
function shortcut(event, terminal, find) {
  const ours = { KeyF: () => find.open(), KeyC: () => copySelection(terminal), KeyE: leave }[event.code];
  if (!ours || !event.shiftKey || event.altKey || !(event.ctrlKey || event.metaKey)) return true;
  event.preventDefault();
  if (event.type === "keydown") ours();
  return false;
}

function copySelection(terminal) {
  if (terminal.hasSelection()) copy(terminal.getSelection());
}

/** Out of the terminal, which keeps Tab for itself. */
function leave() {
  document.querySelector("#bar [popovertarget]").focus();
}

function act(offer, { api, go, params, refresh }, connection) {
  if (offer === "now") connection.hurry();
  else if (offer === "again") connection.connect();
  else if (offer === "login") refresh();
  else if (offer === "home") go("/");
  else startOver(api, params.id, go);
}

/** Away with the dockbox that failed, and back to where its address can be mended. */
async function startOver(api, id, go) {
  const path = `/v1/dockbox/${encodeURIComponent(id)}`;
  const box = await api.get(path).catch(() => null);
  await api.delete(path).catch(() => null); // else it stays in the list of dockboxes
  go(box ? `/?url=${encodeURIComponent(box.source)}` : "/");
}

/** What the bar says: the name, where it is from, and the state of the connection. */
function label(place, id) {
  const state = el("span", { class: "dot", role: "img", "aria-label": "Connecting" });
  const name = el("span", { class: "name" }, id);
  const source = el("span", { class: "source muted" });
  const views = el("span", { class: "chip", hidden: true }, icon("eye"), "View only");
  replace(place, state, name, source, views);
  return {
    name: (text) => (name.textContent = text),
    source: (text) => (source.textContent = text.replace(/^https?:\/\//, "").replace(/\.git$/, "")),
    state: (value) => {
      state.dataset.state = value;
      state.setAttribute("aria-label", STATES[value]);
    },
    types: (yes) => (views.hidden = yes),
  };
}

async function describe(api, id, about) {
  const box = await api.get(`/v1/dockbox/${encodeURIComponent(id)}`).catch(() => null);
  if (!box) return; // the connection finds out, and says so
  about.name(box.custom_id);
  about.source(box.source);
}

/** Keep the page above a phone's keyboard, where the browser only covers it. */
function follow(root) {
  const view = window.visualViewport;
  const fit = () => root.style.setProperty("--view", `${view.height}px`);
  view?.addEventListener("resize", fit);
  if (view) fit();
  return () => {
    view?.removeEventListener("resize", fit);
    root.style.removeProperty("--view");
  };
}
