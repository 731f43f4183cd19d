// The page: which address shows which view, and who is logged in.

import { Api, ApiError } from "./api.js";
import { complete, incomplete } from "./boot.js";
import { el, replace } from "./dom.js";
import { header } from "./header.js";
import "./settings.js";

// A dockbox's name begins with a letter or digit, so "/~…" is free for views of ours.
const BOX = /^\/(?<id>[A-Za-z0-9][\w-]{0,62})$/;
const VIEWS = [
  [/^\/$/, () => import("./views/start.js")],
  [BOX, () => import("./views/terminal.js")],
  [/^\/~boxes$/, () => import("./views/boxes.js")],
  [/^\/~files\/(?<id>[A-Za-z0-9][\w-]{0,62})$/, () => import("./views/files.js")],
  [/^/, () => import("./views/missing.js")],
];
const main = el("main", { id: "main", tabindex: "-1" });
const said = el("p", { class: "hidden", role: "status" });
let unmount = () => {};
let visit = 0; // each changes the view; an earlier one that is late must not

/** Show what the address says. */
async function show() {
  const mine = ++visit;
  const api = new Api(share());
  const [pattern, load] = VIEWS.find(([pattern]) => pattern.test(location.pathname));
  let view, session;
  try {
    [view, session] = await Promise.all([load(), api.guest ? {} : api.get("/v1/session")]);
  } catch (error) {
    if (!(error instanceof ApiError)) return incomplete(error);
    session = { error };
    try {
      view = await (error.status === 401 ? import("./views/login.js") : load());
    } catch (other) {
      return incomplete(other);
    }
  }
  if (mine !== visit) return;
  complete();
  unmount();
  document.title = "dockbox";
  const params = pattern.exec(location.pathname).groups ?? {};
  const context = { api, session, params, go, refresh: show, title, announce };
  context.actions = header(context);
  replace(main);
  unmount = view.mount(main, context) ?? (() => {});
}

/** The secret of a share that is behind the address's "#", or was; null without one. */
function share() {
  const secret = /^#share=(dbs_[\w-]+)$/.exec(location.hash)?.[1];
  // kept where a reload finds it, and out of sight of whoever copies the address
  if (secret) history.replaceState({ ...history.state, share: secret }, "", location.pathname + location.search);
  return history.state?.share ?? null;
}

/** Go to an address of this page. */
function go(path) {
  history.pushState(null, "", path);
  show();
}

function title(text) {
  document.title = text ? `${text} · dockbox` : "dockbox";
}

/** Say it to whoever does not see the page. */
function announce(text) {
  said.textContent = text;
}

// A link of ours is a change of view; with a modifier key the browser does what it always does.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-view]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", show);
document.body.replaceChildren(el("header", { class: "bar", id: "bar" }), main, said);
show();
