// Paste the address of a repository, and be in a terminal.

import { el, replace } from "../dom.js";
import { attend } from "../form.js";
import { badge } from "../badge.js";

const OPTIONS = [
  ["name", "Name", "a short name for its address"],
  ["ref", "Ref", "a branch, tag or commit"],
  ["subdir", "Folder", "only this part of it"],
  ["image", "Image", "instead of the one that fits"],
];

export function mount(root, { api, go, title }) {
  title("");
  const asked = new URLSearchParams(location.search).get("url") ?? "";
  const url = el("input", {
    id: "url", type: "text", inputmode: "url", value: asked, autocomplete: "url", autocapitalize: "off",
    spellcheck: "false", placeholder: "https://github.com/owner/repository",
  });
  const fields = OPTIONS.map(([name, label, hint]) => el("div", { class: "field" },
    el("label", { for: name }, label),
    el("input", { id: name, autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder: hint }),
  ));
  const form = el("form", { class: "stack", novalidate: true },
    el("label", { for: "url" }, "Address of a repository or an archive"),
    el("div", { class: "row" }, url, el("button", { class: "primary" }, "Open terminal")),
    el("details", { class: "options" }, el("summary", {}, "Options"), el("div", { class: "grid" }, ...fields)),
  );
  attend(form, url, async () => {
    if (!url.value.trim()) throw new Error("Type or paste an address.");
    const body = { url: url.value.trim() };
    for (const [name] of OPTIONS) body[name] = form.querySelector(`#${name}`).value.trim() || undefined;
    // what fails at once is told here; what takes longer is watched in the terminal
    const box = await api.post("/v1/dockbox", body, { headers: { Prefer: "wait=1" } });
    go(`/${box.custom_id}`);
  });
  replace(root,
    el("section", { class: "page start" },
      el("h1", {}, "A terminal for any repository"),
      el("p", { class: "lead" }, asked
        ? "Somebody’s link wants to open this. Look at the address before you do."
        : "Paste the address. The code is fetched, a fitting container is started, and you are in its shell."),
      form,
    ),
    badge(),
  );
  url.focus();
}
