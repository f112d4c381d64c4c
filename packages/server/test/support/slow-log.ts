import type { EventLog } from "../../src/log/event-log.js";

/**
 * A log that waits 0 to 10 ms at random before and after every operation. As the interface demands, appends to one
 * stream take effect in the order of the calls; their answers come in any order.
 */
export function slowLog(log: EventLog, random: () => number): EventLog {
  const turns = new Map<string, Promise<unknown>>();
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, random() * 10));
  const slowly = async <T>(stream: string, work: () => Promise<T>): Promise<T> => {
    const previous = turns.get(stream) ?? Promise.resolve();
    const effect = Promise.all([previous, pause()]).then(work);
    const turn = effect.catch(() => undefined);
    turns.set(stream, turn);
    try {
      const answer = await effect;
      await pause();
      return answer;
    } finally {
      if (turns.get(stream) === turn) turns.delete(stream);
    }
  };
  return {
    append: (stream, payload, retention) => slowly(stream, () => log.append(stream, payload, retention)),
    read: async (stream, after, limit) => {
      await pause();
      const page = await log.read(stream, after, limit);
      await pause();
      return page;
    },
    subscribe: (stream, wake) => log.subscribe(stream, wake),
    end: (stream) => slowly(stream, () => log.end(stream)),
    delete: (stream) => slowly(stream, () => log.delete(stream)),
    close: () => log.close(),
  };
}
