// Output, no faster than it can be drawn: a page with megabytes to draw hears Ctrl-C late.

const HIGH = 256 * 1024; // bytes that wait to be drawn when the server is asked to pause,
const LOW = 64 * 1024; // and when it is asked to go on

export class Flow {
  #terminal;
  #connection;
  #waiting = 0;
  #paused = false;

  constructor(terminal, connection) {
    this.#terminal = terminal;
    this.#connection = connection;
  }

  /** A new connection: it has not been asked to pause. */
  fresh() {
    this.#paused = false;
  }

  write(bytes) {
    this.#waiting += bytes.length;
    if (this.#waiting > HIGH && !this.#paused) {
      this.#paused = true;
      this.#connection.pause();
    }
    this.#terminal.write(bytes, () => {
      this.#waiting -= bytes.length;
      if (this.#waiting > LOW || !this.#paused) return;
      this.#paused = false;
      this.#connection.resume();
    });
  }
}
