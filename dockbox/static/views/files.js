// The files of a dockbox: a folder, or a file of it.

import { el, replace } from "../dom.js";
import { File } from "../files/file.js";
import { Folder } from "../files/folder.js";
import { asked } from "../files/place.js";

export function mount(root, context) {
  const { actions, params, title } = context;
  const { id } = params;
  title(`Files of ${id}`);
  replace(actions.place, el("a", { class: "name", href: `/${encodeURIComponent(id)}`, "data-view": true, "aria-label": `Terminal of ${id}` }, id));
  const file = asked("file");
  const view = file ? new File(root, context, file) : new Folder(root, context, asked("path") ?? "");
  return () => view.close();
}
