// Draws one cell for each message of a run, so that a hole in the numbers is seen at once.

/** One cell for each message of a run, so that a hole in the numbers would be seen at once. */
export class MessageGrid {
  readonly #list: HTMLOListElement;
  #cells: HTMLLIElement[] = [];
  readonly #seen = new Set<number>();
  #highest = 0;
  /** How many messages came before the first one that was to arrive here; `undefined` until it has. */
  #elsewhere: number | undefined = 0;
  #outOfOrder = 0;
  #repeated = 0;

  constructor(list: HTMLOListElement) {
    this.#list = list;
  }

  get received(): number {
    return this.#seen.size;
  }

  /** How many numbers below the highest one have not arrived. */
  get missing(): number {
    return this.#highest - (this.#elsewhere ?? 0) - this.#seen.size;
  }

  /** How many arrived after a higher number, for the first time. */
  get outOfOrder(): number {
    return this.#outOfOrder;
  }

  /** How many arrived once more. */
  get repeated(): number {
    return this.#repeated;
  }

  /**
   * Lays out as many empty cells as there will be messages, so that nothing moves when they arrive.
   *
   * @param isAdopted whether the first ones arrived in another tab, and so are not missing here.
   */
  layOut(messages: number, isAdopted: boolean): void {
    this.#seen.clear();
    this.#highest = 0;
    this.#elsewhere = isAdopted ? undefined : 0;
    this.#outOfOrder = 0;
    this.#repeated = 0;
    this.#cells = Array.from({ length: messages }, (_, index) => {
      const cell = document.createElement("li");
      cell.textContent = String(index + 1);
      return cell;
    });
    this.#list.replaceChildren(...this.#cells);
    this.#describe();
  }

  /** @param afterBreak whether it is the first one after the connection or the page came back. */
  arrive(number: number, afterBreak: boolean): void {
    if (this.#elsewhere === undefined) {
      this.#elsewhere = number - 1;
      this.#highest = number - 1;
    }
    if (this.#seen.has(number)) this.#repeated++;
    else if (number < this.#highest) this.#outOfOrder++;
    for (let skipped = this.#highest + 1; skipped < number; skipped++) this.#mark(skipped, "missing");
    this.#seen.add(number);
    this.#highest = Math.max(this.#highest, number);
    this.#mark(number, "arrived");
    const cell = this.#cells[number - 1];
    if (afterBreak && cell !== undefined) cell.dataset.seam = "";
    this.#describe();
  }

  #mark(number: number, state: "arrived" | "missing"): void {
    const cell = this.#cells[number - 1];
    if (cell !== undefined) cell.dataset.state = state;
  }

  #describe(): void {
    const holes = this.missing === 0 ? "none missing" : `${this.missing} missing`;
    this.#list.setAttribute("aria-label", `${this.received} of ${this.#cells.length} messages, ${holes}`);
  }
}
