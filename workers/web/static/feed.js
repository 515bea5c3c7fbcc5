// One path that is requested again and again, and how fresh its last answer is. Times are of the browser's monotonic
// clock, so that a clock that jumps, here or there, makes nothing old or young.

const ANSWER_MS = 5000;
const LATE_MS = 3500;
const HIDDEN_MS = 5000;

export class Feed {
  #path; #every; #take; #fail; #isWanted; #timer; #round = 0; #answered = null; #isAsked = false;

  /* path(): what is requested; every(): milliseconds from one request to the next, five seconds at least while nobody sees
     the page; take(json); fail(error); isWanted(): whether it is needed now. */
  constructor({ path, every, take, fail, isWanted = () => true }) {
    [this.#path, this.#every, this.#take, this.#fail, this.#isWanted] = [path, every, take, fail, isWanted];
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.ask(); });
  }

  /* Now, and from now on. What is still on its way is not shown any more. */
  async ask() {
    clearTimeout(this.#timer);
    const round = ++this.#round, begun = performance.now();
    if (this.#isWanted()) await this.#request(round);
    if (round !== this.#round) return;
    const every = document.hidden ? Math.max(HIDDEN_MS, this.#every()) : this.#every();
    this.#timer = setTimeout(() => this.ask(), Math.max(100, every - (performance.now() - begun)));
  }

  async #request(round) {
    try {
      const answer = await fetch(this.#path(), { signal: AbortSignal.timeout(ANSWER_MS) });
      const content = answer.ok ? await answer.json() : (await answer.text()).split("\n")[0];
      if (round !== this.#round) return;
      if (!answer.ok) throw new Error(`${answer.status} ${content}`);
      this.#answered = performance.now();
      this.#isAsked = true;
      this.#take(content);
    } catch (error) {
      if (round !== this.#round) return;
      this.#isAsked = true;
      this.#fail(error);
    }
  }

  /* Seconds since the last good answer; null: there was none. */
  get age() {
    return this.#answered === null ? null : (performance.now() - this.#answered) / 1000;
  }

  /* Whether there is an answer that is not old. One that fails is followed by another, and is no silence yet. */
  get isLive() {
    const most = LATE_MS + Math.max(document.hidden ? HIDDEN_MS : 0, this.#every());
    return this.#answered !== null && performance.now() - this.#answered < most;
  }

  /* Whether nobody answers. */
  get isSilent() {
    return this.#isAsked && !this.isLive;
  }
}
