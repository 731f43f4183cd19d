// Links for others to one dockbox's terminal.

import { copier } from "../clipboard.js";
import { closer, open } from "../dialog.js";
import { el, replace } from "../dom.js";
import { attend } from "../form.js";
import { whole } from "../words.js";

const KINDS = { view: ["View", "sees the terminal"], type: ["Type", "uses the shell as you do"] };
const ENDS = [[3600, "1 hour"], [86_400, "1 day"], [604_800, "1 week"], [2_592_000, "30 days"]]; // seconds

/** The dialog in which they are made, listed and revoked. */
export function share({ id, custom_id }, api, announce) {
  const path = `/v1/dockbox/${id}/shares`;
  const list = el("div", { class: "shares" });
  const made = el("div", { class: "made" });
  const expires = el("select", { id: "share-end" },
    ...ENDS.map(([seconds, label]) => el("option", { value: seconds, selected: seconds === 86_400 }, label)));
  const form = el("form", { class: "stack", novalidate: true },
    el("fieldset", { class: "kinds" }, el("legend", {}, "Whoever has the link"), ...Object.keys(KINDS).map(kind)),
    el("label", { for: "share-end" }, "The link is good for"), expires,
    el("button", { class: "primary" }, "Make a link"));
  open(`Share ${custom_id}`, form, made, list, el("div", { class: "dialog-buttons" }, closer("Close")));
  attend(form, expires, async () => {
    const one = await api.post(path, { kind: new FormData(form).get("kind"), expires_in: Number(expires.value) });
    show(made, id, one);
    await refresh();
  });
  const refresh = async () => {
    const { items } = await api.get(path);
    replace(list, items.length > 0 && el("h3", {}, "Links that are good"),
      el("ul", {}, ...items.map((one) => entry(one, revoke))));
  };
  const revoke = async (one) => {
    await api.delete(`${path}/${one.id}`);
    if (made.dataset.id === one.id) replace(made);
    await refresh();
    announce("The link was revoked.");
    (list.querySelector("button") ?? expires).focus();
  };
  refresh().catch((error) => replace(list, el("p", { class: "error", role: "alert" }, error.message)));
}

function kind(name) {
  const [label, hint] = KINDS[name];
  return el("label", {}, el("input", { type: "radio", name: "kind", value: name, checked: name === "view" }),
    el("span", {}, label, el("span", { class: "muted" }, ` ${hint}`)));
}

/** The link, this once. */
function show(made, id, { id: share, secret }) {
  // by the address that is known to lead here: a proxy may be called otherwise inside
  const link = `${location.origin}/${id}#share=${secret}`;
  const field = el("input", { id: "share-link", readonly: true, value: link });
  made.dataset.id = share;
  replace(made,
    el("label", { for: "share-link" }, "Copy it now: it is not shown again"),
    el("div", { class: "snippet" }, field, copier(() => link, "Copy the link")));
  field.focus();
  field.select();
}

function entry(one, revoke) {
  const error = el("span", { class: "error", role: "alert" });
  const away = () => revoke(one).catch((reason) => (error.textContent = reason.message));
  const until = whole(one.expires_at);
  return el("li", {},
    el("span", {}, KINDS[one.kind][0], el("span", { class: "muted" }, ` until ${until}`)), error,
    el("button", { type: "button", class: "second", "aria-label": `Revoke the link to ${one.kind} until ${until}`, on: { click: away } }, "Revoke"));
}
