// What this browser remembers: how the page looks here.

const KEY = "dockbox";
const DEFAULTS = { theme: "system", fontSize: 14, screenReader: false };
const listeners = new Set();
let values = { ...DEFAULTS, ...stored() };

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // nothing is kept here, as in some private windows
  }
}

/** All settings: `theme` ("system", "light", "dark"), `fontSize` in pixels, `screenReader`. */
export const settings = () => values;

/** Change some; whoever `watch`es is told. */
export function change(some) {
  values = { ...values, ...some };
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
  } catch {
    // as above: it holds until the page is left
  }
  for (const listener of listeners) listener(values);
}

/** Call `listener` now and at each change; returns what ends that. */
export function watch(listener) {
  listeners.add(listener);
  listener(values);
  return () => listeners.delete(listener);
}

/** Whether the page is dark now. */
export function dark() {
  if (values.theme !== "system") return values.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change({}));
watch(({ theme }) => (document.documentElement.dataset.theme = theme));
