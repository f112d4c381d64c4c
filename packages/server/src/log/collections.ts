// Keeps items first-in-first-out, or in the order of their last use, with every step in constant time.

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

/** An item's place in the one {@link RecencyList} that it is in, if any. */
export class Place<T> {
  readonly item: T;
  list: RecencyList<T> | undefined;
  older: Place<T> | undefined;
  newer: Place<T> | undefined;

  constructor(item: T) {
    this.item = item;
  }
}

/**
 * Items in the order of their last use, every step O(1). A linked list, because the first entry of a `Map` that is
 * used as a queue is found by walking over the holes that the removed ones left.
 */
export class RecencyList<T> {
  #oldest: Place<T> | undefined;
  #newest: Place<T> | undefined;

  /** The item that was not used for longest. */
  get oldest(): T | undefined {
    return this.#oldest?.item;
  }

  /** Makes the item the newest, taking it out of whatever list it is in. */
  use(place: Place<T>): void {
    if (place === this.#newest) return;
    place.list?.remove(place);
    place.list = this;
    place.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
  }

  remove(place: Place<T>): void {
    if (place.list !== this) return;
    if (place.older === undefined) this.#oldest = place.newer;
    else place.older.newer = place.newer;
    if (place.newer === undefined) this.#newest = place.older;
    else place.newer.older = place.older;
    place.list = undefined;
    place.older = undefined;
    place.newer = undefined;
  }
}
