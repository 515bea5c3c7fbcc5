// The cross-hair: everything at one instant. By mouse and touch it follows the pointer; by keyboard it stands at a time, and
// moves to the left with it.

const KEYS = {
  ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10,
};

export class Cursor {
  #plot; #scale; #rows; #marks; #moved;
  #x = null; #time = null;
  row = null;

  /* plot: the element that takes focus and pointer; scale(), rows(), marks(): what is drawn now; moved(byKeyboard). */
  constructor(plot, { scale, rows, marks, moved }) {
    [this.#plot, this.#scale, this.#rows, this.#marks, this.#moved] = [plot, scale, rows, marks, moved];
    plot.addEventListener("pointermove", (event) => this.#follow(event));
    plot.addEventListener("pointerdown", (event) => this.#follow(event));
    plot.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.clear(); });
    plot.addEventListener("keydown", (event) => this.#press(event));
    plot.addEventListener("blur", () => this.clear());
  }

  /* The instant that is read, a Unix time within what is shown; null: none. */
  get time() {
    const scale = this.#scale();
    if (!scale) return null;
    if (this.#x !== null) return Math.min(scale.now, Math.max(scale.start, scale.time(this.#x)));
    return this.#time === null ? null : Math.max(scale.start, Math.min(scale.now, this.#time));
  }

  clear() {
    this.#x = this.#time = this.row = null;
    this.#moved(false);
  }

  #follow(event) {
    const box = this.#plot.getBoundingClientRect();
    this.#x = event.clientX - box.left;
    this.#time = null;
    const y = event.clientY - box.top;
    const row = this.#rows().findIndex((each, i, all) => y >= each.y && y < (all[i + 1]?.y ?? each.y + each.height + 2));
    this.row = row >= 0 && y < this.#rows()[row].y + this.#rows()[row].height + 4 ? row : null;
    this.#moved(false);
  }

  #press(event) {
    const scale = this.#scale();
    if (!scale || event.altKey || event.ctrlKey || event.metaKey) return;
    if (!this.#move(event, scale)) return;
    event.preventDefault();
    this.#x = null;
    this.#moved(true);
  }

  /* Whether the key is one of ours. */
  #move({ key, shiftKey }, scale) {
    const time = this.time ?? scale.now, step = Math.max(1, (scale.seconds / scale.width) * 4);
    if (key in KEYS) this.#time = time + KEYS[key] * step * (shiftKey ? 10 : 1);
    else if (key === "Home") this.#time = scale.start;
    else if (key === "End") this.#time = scale.now;
    else if (key === "n" || key === "p") this.#time = this.#nextMark(time, key === "n") ?? time;
    else if (key === "ArrowDown" || key === "ArrowUp") {
      const most = this.#rows().length - 1;
      this.row = key === "ArrowDown" ? Math.min(most, (this.row ?? -1) + 1) : this.row ? this.row - 1 : null;
      this.#time = time;
    } else if (key === "Escape") {
      this.#time = this.row = null;
    } else return false;
    if (this.#time !== null) this.#time = Math.max(scale.start, Math.min(scale.now, this.#time));
    return true;
  }

  #nextMark(time, isLater) {
    const times = this.#marks().map((mark) => mark.time).sort((a, b) => a - b);
    return isLater ? times.find((each) => each > time + 0.001) : times.findLast((each) => each < time - 0.001);
  }
}
