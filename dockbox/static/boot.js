// The first module.  It needs no other, and asks again for what did not come of the page.

// Milliseconds before each attempt: a browser drops what is on its way when the machine's network
// changes, and where Docker runs that is with each container that starts.
const WAITS = [0, 300, 1000, 3000];

/**
 * A part did not come.  A browser asks for a module only once in the life of a page, so the page is
 * loaded anew, with what came from the cache; should that not help, only when somebody wants it.
 */
export async function incomplete(error) {
  console.warn(error);
  const tried = history.state?.tried ?? 0;
  if (tried === WAITS.length) return tell();
  history.replaceState({ ...history.state, tried: tried + 1 }, "");
  await new Promise((resolve) => setTimeout(resolve, WAITS[tried]));
  location.reload();
}

/** All came: later there are as many attempts again. */
export function complete() {
  if (history.state?.tried) history.replaceState({ ...history.state, tried: 0 }, "");
}

function tell() {
  const text = document.createElement("p");
  text.setAttribute("role", "alert");
  text.textContent = "Not all of this page could be loaded.";
  const again = document.createElement("button");
  again.type = "button";
  again.className = "primary";
  again.textContent = "Load it again";
  again.addEventListener("click", () => location.reload());
  const page = document.createElement("main");
  page.className = "page";
  page.append(text, again);
  document.body.replaceChildren(page);
}

/** Whether a style sheet came: one that did not has no rules, or forbids to look at them. */
function came({ sheet }) {
  try {
    return sheet?.cssRules.length > 0;
  } catch {
    return false;
  }
}

if ([...document.querySelectorAll("link[rel=stylesheet]")].every(came)) import("./app.js").catch(incomplete);
else incomplete("A style sheet did not come.");
