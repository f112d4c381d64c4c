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
