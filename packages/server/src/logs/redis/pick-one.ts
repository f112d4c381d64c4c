/** One of several at random: the next attempt will likely meet another server. */
export function pickOne<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error("The client knows no server of the cluster.");
  return item;
}
