// The files of a dockbox: a folder, or a file of it.

import { el, replace } from "../dom.js";
import { File } from "../files/file.js";
import { Folder } from "../files/folder.js";
import { asked } from "../files/place.js";

export function mount(root, context) {
  const { actions, api, params, title } = context;
  const { id } = params;
  title(`Files of ${id}`);
  const link = el("a", { class: "name", href: `/${encodeURIComponent(id)}`, "data-view": true });
  const name = (text) => {
    link.textContent = text;
    link.setAttribute("aria-label", `Terminal of ${text}`);
  };
  name(id);
  replace(actions.place, link);
  api.get(`/v1/dockbox/${encodeURIComponent(id)}`).then((box) => name(box.custom_id), () => {}); // the list of files says why not
  const file = asked("file");
  const view = file ? new File(root, context, file) : new Folder(root, context, asked("path") ?? "");
  return () => view.close();
}
