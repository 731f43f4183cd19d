// Something that is asked again and again, while the page is seen.

const LONGEST = 30_000; // milliseconds between attempts that fail

export class Poll {
  #work;
  #every;
  #timer;
  #asking = null;
  #failed = 0;
  #over = false;

  /** `work(signal)` is called at once and each `every` ms; it says whether it went well. */
  constructor(work, every) {
    this.#work = work;
    this.#every = every;
    document.addEventListener("visibilitychange", this.#seen);
    this.now();
  }

  /** Ask at once, since something has changed; what is being asked is out of date. */
  now = async () => {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const mine = (this.#asking = new AbortController());
    const well = await this.#work(mine.signal);
    if (mine.signal.aborted || this.#over) return;
    this.#asking = null;
    this.#failed = well ? 0 : this.#failed + 1;
    if (!document.hidden) {
      this.#timer = setTimeout(this.now, Math.min(LONGEST, this.#every * 2 ** this.#failed));
    }
  };

  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    document.removeEventListener("visibilitychange", this.#seen);
  }

  #seen = () => {
    if (document.hidden) clearTimeout(this.#timer);
    else this.now();
  };
}
