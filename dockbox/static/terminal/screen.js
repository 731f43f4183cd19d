// xterm.js, as this page uses it.

import { FitAddon } from "../vendor/addon-fit.mjs";
import { Unicode11Addon } from "../vendor/addon-unicode11.mjs";
import { WebLinksAddon } from "../vendor/addon-web-links.mjs";
import { Terminal } from "../vendor/xterm.mjs";
import { dark, watch } from "../settings.js";
import { theme } from "./themes.js";

const FONT = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
const SOFTWARE = /swiftshader|llvmpipe|software/i;

/** A terminal in `place`, as large as that is, for as long as it is there. */
export class Screen {
  #fit = new FitAddon();
  #ends = [];

  constructor(place) {
    this.terminal = new Terminal({
      allowProposedApi: true, // for the widths of unicode, and to mark what was found
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      fontFamily: FONT,
      lineHeight: 1.15,
      macOptionClickForcesSelection: true,
      minimumContrastRatio: 4.5,
      rightClickSelectsWord: true,
      scrollback: 10_000,
    });
    this.terminal.loadAddon(this.#fit);
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = "11";
    this.terminal.loadAddon(new WebLinksAddon((event, uri) => open(uri, "_blank", "noopener,noreferrer")));
    this.#ends.push(watch(({ fontSize, screenReader }) => {
      Object.assign(this.terminal.options, { fontSize, screenReaderMode: screenReader, theme: theme(dark()) });
      this.fit();
    }));
    this.terminal.open(place);
    this.fit();
    const observer = new ResizeObserver(() => requestAnimationFrame(this.fit));
    observer.observe(place);
    this.#ends.push(() => observer.disconnect());
    this.#accelerate();
  }

  /** As many rows and columns as there is room for. */
  fit = () => {
    if (this.terminal.element?.isConnected) this.#fit.fit();
  };

  get size() {
    return { cols: this.terminal.cols, rows: this.terminal.rows };
  }

  dispose() {
    for (const end of this.#ends) end();
    this.terminal.dispose();
  }

  /** Draw with WebGL, where there is a graphics card; elements are the fall-back. */
  async #accelerate() {
    if (!graphics()) return;
    const { WebglAddon } = await import("../vendor/addon-webgl.mjs");
    if (!this.terminal.element?.isConnected) return;
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose());
      this.terminal.loadAddon(webgl);
    } catch (error) {
      console.info("no WebGL:", error.message);
    }
  }
}

/** Whether there is a graphics card: WebGL without one is slower than elements. */
function graphics() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl?.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER) ?? "software";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(name);
}
