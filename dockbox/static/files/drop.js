// Files that are dropped onto a view; a browser would open them in its place.

/** Call `take([{name, file}, …])`, with a null `file` for a folder, until `signal` aborts. */
export function drops(root, signal, take) {
  const mark = (on) => root.classList.toggle("dropping", on);
  const on = (event, listener) => root.addEventListener(event, listener, { signal });
  on("dragover", (event) => {
    event.preventDefault();
    mark(event.dataTransfer.types.includes("Files"));
  });
  on("dragleave", (event) => root.contains(event.relatedTarget) || mark(false));
  on("drop", (event) => {
    event.preventDefault();
    mark(false);
    take([...event.dataTransfer.items].filter(({ kind }) => kind === "file").map(described));
  });
  signal.addEventListener("abort", () => mark(false));
}

function described(item) {
  const file = item.getAsFile();
  return { name: file.name, file: item.webkitGetAsEntry?.()?.isDirectory ? null : file };
}
