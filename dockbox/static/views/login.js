// Who are you?  Shown in place of any view that needs to know.

import { el, replace } from "../dom.js";
import { attend } from "../form.js";

export function mount(root, { api, refresh, title }) {
  title("Log in");
  const token = el("input", {
    id: "token", type: "password", required: true, autocomplete: "current-password",
    spellcheck: "false", placeholder: "dbx_…",
  });
  const form = el("form", { class: "stack", novalidate: true },
    el("label", { for: "token" }, "Token"), token,
    el("button", { class: "primary" }, "Log in"),
  );
  attend(form, token, async () => {
    if (!token.value.trim()) throw new Error("Type or paste your token.");
    await api.post("/v1/session", { token: token.value.trim() });
    refresh();
  });
  replace(root, el("section", { class: "page narrow" },
    el("h1", {}, "Log in"),
    el("p", { class: "muted" }, "Who runs this server gives out the tokens."),
    form,
  ));
  token.focus();
}
