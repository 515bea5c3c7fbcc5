// The time axis that bands and charts share.

import { clock } from "./format.js";

const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const LEAST_PX = 66;

export class TimeScale {
  /* From `start` to `now`, Unix times, on pixels from `left` on, `width` of them. */
  constructor(start, now, left, width) {
    Object.assign(this, { start, now, left, width, right: left + width });
    this.seconds = Math.max(1, now - start);
  }

  x(time) {
    return this.left + ((time - this.start) / this.seconds) * this.width;
  }

  time(x) {
    return this.start + ((x - this.left) / this.width) * this.seconds;
  }

  /* Round local times, as {x, text}. */
  ticks() {
    const least = (this.seconds * LEAST_PX) / this.width;
    const step = STEPS.find((each) => each >= least) ?? 86_400;
    const zone = new Date(this.now * 1000).getTimezoneOffset() * 60;
    const found = [];
    for (let time = Math.ceil((this.start - zone) / step) * step + zone; time <= this.now; time += step) {
      found.push({ x: this.x(time), text: clock(time, { minutes: step >= 60 }) });
    }
    return found;
  }
}
