/** Removed slots at the head of the array are cut off when there are this many of them, and more than of the rest. */
const MIN_SLOTS_TO_CUT = 32;

/** A first-in-first-out list with access by index: an array with a moving start, every step O(1) amortised. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #start = 0;

  get length(): number {
    return this.#items.length - this.#start;
  }

  /** The item at an index from the oldest on, or `undefined` past the end. */
  at(index: number): T | undefined {
    return this.#items[this.#start + index];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const oldest = this.#items[this.#start];
    this.#items[this.#start] = undefined;
    this.#start += 1;
    if (this.#start >= MIN_SLOTS_TO_CUT && this.#start > this.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return oldest;
  }
}
