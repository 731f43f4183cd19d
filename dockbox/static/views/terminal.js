// A dockbox's terminal.

import { FitAddon } from "../vendor/addon-fit.mjs";
import { Terminal } from "../vendor/xterm.mjs";
import { el, replace } from "../dom.js";
import { Socket } from "../terminal/socket.js";

export function mount(root, { params, title }) {
  title(params.id);
  const screen = el("div", { class: "screen" });
  replace(root, screen);
  const terminal = new Terminal({ allowProposedApi: true });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(screen);
  fit.fit();
  root.terminal = terminal;
  const socket = new Socket(params.id, { size: terminal, on: {
    output: (bytes) => terminal.write(bytes),
    title: () => {},
    close: (code, reason) => terminal.write(`\r\n[${code} ${reason}]\r\n`),
  } });
  terminal.onData((data) => socket.type(data));
  terminal.onResize((size) => socket.resize(size));
  return () => {
    socket.close();
    terminal.dispose();
  };
}
