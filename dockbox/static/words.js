// Times, sizes and names, as people read them.

const SPANS = [[86_400, "day"], [3_600, "hour"], [60, "minute"]]; // seconds
const UNITS = ["bytes", "kB", "MB", "GB", "TB"];
const SPOKEN = new Intl.RelativeTimeFormat("en", { numeric: "always" });
// What is not seen, or changes how its neighbours are seen: controls, marks of direction, spaces of
// no width, separators of lines, variation and tag characters; and what stands for no character.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]/gu;

/** How long ago, in words; both times in milliseconds. */
export function ago(then, now) {
  const seconds = Math.max(0, (now - then) / 1000);
  const [span, unit] = SPANS.find(([span]) => seconds >= span) ?? [];
  return span ? SPOKEN.format(-Math.floor(seconds / span), unit) : "just now";
}

/** A time that is left, in milliseconds, as a clock shows it. */
export function left(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A time as a whole, where and how the reader counts it. */
export function whole(time) {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** So many bytes; powers of 1000, as disks count. */
export function size(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power && value < 100 ? value.toFixed(1) : Math.round(value)} ${power || bytes !== 1 ? UNITS[power] : "byte"}`;
}

/** Text with all that is hidden in it made visible, but for what `keep` matches. */
export function visible(text, keep = /^$/) {
  return text.replace(HIDDEN, (one) => (keep.test(one) ? one : `⟨U+${hex(one)}⟩`));
}

function hex(one) {
  return one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}
