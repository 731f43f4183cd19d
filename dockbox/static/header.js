// The bar at the top: the name, what a view puts there, and the menu.

import { el, replace } from "./dom.js";
import { icon } from "./icons.js";
import { change, settings } from "./settings.js";

const THEMES = { system: "System", light: "Light", dark: "Dark" };

/**
 * Draw the bar anew for a view.  Returns where the view may put its own: `place`, in the bar, and
 * `items`, in the menu.
 */
export function header({ api, session, refresh }) {
  const place = el("div", { class: "bar-place" });
  const items = el("div", { class: "menu-items" });
  const menu = el("div", { id: "menu", class: "menu", popover: "auto" }, items, themes());
  if (session.auth === "token") menu.append(leave(api, refresh));
  replace(
    document.getElementById("bar"),
    el("a", { class: "brand", href: "/", "data-view": true }, mark(), "dockbox"),
    place,
    // whoever is nobody yet, or has but a share, has no list
    session.auth ? el("a", { class: "bar-link", href: "/~boxes", "data-view": true },
      icon("list"), el("span", {}, "Dockboxes")) : null,
    button("more", "Menu", { popovertarget: "menu" }),
    menu,
  );
  return { place, items, close: () => menu.hidePopover() };
}

/** A button that is a drawing; `label` is its name, for all who ask. */
export function button(drawing, label, attributes = {}) {
  const names = { type: "button", class: "quiet", "aria-label": label, title: label };
  return el("button", { ...names, ...attributes }, icon(drawing));
}

function mark() {
  return el("span", { class: "mark", "aria-hidden": "true" }, icon("prompt"));
}

function themes() {
  const choices = Object.entries(THEMES).map(([theme, label]) =>
    el("label", {}, el("input", {
      type: "radio", name: "theme", value: theme, checked: settings().theme === theme,
      on: { change: () => change({ theme }) },
    }), el("span", {}, label)));
  return el("fieldset", { class: "segments" }, el("legend", {}, "Theme"), ...choices);
}

function leave(api, refresh) {
  const out = () => api.delete("/v1/session").then(refresh);
  return el("button", { type: "button", class: "menu-item", on: { click: out } }, "Log out");
}
