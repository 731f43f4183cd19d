// The terminal's colours, on the page's own background.

const LIGHT = {
  background: "#ffffff", foreground: "#1d2026", cursor: "#1d2026", cursorAccent: "#ffffff",
  selectionBackground: "#c9dcfb", selectionInactiveBackground: "#e1e4e9",
  black: "#1d2026", red: "#b3261e", green: "#1a7438", yellow: "#8a5a00", blue: "#1f5fd0",
  magenta: "#8a3fb0", cyan: "#0b7083", white: "#6b727d", brightBlack: "#5b626d",
  brightRed: "#c9352b", brightGreen: "#23803f", brightYellow: "#8f6400", brightBlue: "#2f6fe0",
  brightMagenta: "#9a4fc0", brightCyan: "#0f7a8f", brightWhite: "#3a3f47",
};
const DARK = {
  background: "#0e1014", foreground: "#dfe2e7", cursor: "#dfe2e7", cursorAccent: "#0e1014",
  selectionBackground: "#2b4b7e", selectionInactiveBackground: "#333944",
  black: "#3a3f47", red: "#ff7b72", green: "#6cc784", yellow: "#e0b252", blue: "#6ea8fe",
  magenta: "#c99bf0", cyan: "#62c5d6", white: "#c7ccd4", brightBlack: "#8b93a0",
  brightRed: "#ff9a92", brightGreen: "#86d99c", brightYellow: "#edc878", brightBlue: "#8fbcff",
  brightMagenta: "#d8b4f6", brightCyan: "#85d6e4", brightWhite: "#f4f6f8",
};

export const theme = (dark) => (dark ? DARK : LIGHT);
