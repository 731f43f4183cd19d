// One file on its way to the server.

import { ApiError } from "../api.js";

/**
 * PUT `file`; by XMLHttpRequest, since fetch does not tell how much is sent.  What is there already
 * is replaced with `over` alone.  `tell` gets the part that is sent, 0 to 1.  Ends quietly when
 * `signal` aborts; throws `ApiError`.
 */
export function send(path, file, over, signal, tell) {
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open("PUT", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (!over) request.setRequestHeader("If-None-Match", "*");
    request.upload.onprogress = ({ loaded, total }) => tell(total ? loaded / total : 1);
    request.onload = () => (request.status < 300 ? resolve() : reject(refusal(request)));
    request.onerror = () => reject(new ApiError(0, "The file could not be read, or the connection was cut."));
    request.onabort = resolve;
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function refusal({ status, responseText }) {
  let told = {};
  try {
    told = JSON.parse(responseText);
  } catch {
    // some proxy's page: its status has to do
  }
  return new ApiError(status, told.error ?? `The server answered ${status}.`, told.code);
}
