// What is to be done after a connection has ended: docs/protocol.md, "Close codes".

const DEFAULTS = {
  1000: "The dockbox was stopped.",
  1002: "The server did not understand this page.",
  1007: "The server did not understand this page.",
  1008: "The server did not let you in.",
  1009: "That was too much input at once.",
  1011: "The dockbox or its server failed.",
};

const AT_ONCE = [1001, 1013]; // another server will do, or we were too slow
const LOST = 1006;

/**
 * `code` and `reason` are the connection's, `box` is the dockbox as it is now, or `error` why that
 * could not be told.  Returns either `retry`, "at once" or "later", with a `reason` that may be
 * "", or `end`: why there is nothing to try, and what a button may offer: "again", "over",
 * "login", "home".
 */
export function verdict({ code, reason, box, error }) {
  if (error?.status === 401) return { end: "You are not logged in.", offer: "login" };
  if (error?.status === 404) {
    return { end: (code === 1000 && reason) || "There is no such dockbox, or no longer.", offer: "home" };
  }
  if (error?.status === 403) return { end: error.message, offer: "home" };
  if (box?.state === "failed") return { end: box.error, offer: "over" };
  if (AT_ONCE.includes(code)) return { retry: "at once", reason: "" };
  if (code === LOST) return { retry: "later", reason: reason || error?.message || "" };
  return { end: reason || DEFAULTS[code] || `The connection was closed (${code}).`, offer: "again" };
}
