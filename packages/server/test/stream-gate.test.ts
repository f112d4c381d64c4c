import { describe, expect, test, vi } from "vitest";
import { StreamGate } from "../src/sdk/stream-gate.js";
import { pause } from "./support/caller.js";

const idle = (): Promise<void> => Promise.resolve();

/** Appends that say when they ran. */
function recorder(gate: StreamGate): {
  readonly ran: string[];
  readonly append: (name: string) => Promise<string>;
} {
  const ran: string[] = [];
  const append = (name: string): Promise<string> =>
    new Promise((resolve) => {
      gate.pass(() => {
        ran.push(name);
        resolve(name);
      });
    });
  return { ran, append };
}

/** Lets all microtasks run. */
async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
}

describe("a gate", () => {
  test("lets appends through at once while no replay finishes", () => {
    const { ran, append } = recorder(new StreamGate(10, 1_000));
    void append("a");
    void append("b");
    expect(ran).toEqual(["a", "b"]);
  });

  test("holds appends while a replay finishes, until one macrotask after, and keeps their order", async () => {
    const gate = new StreamGate(10, 1_000);
    const { ran, append } = recorder(gate);
    const answers: string[] = [];
    const take = (name: string): void => void append(name).then((answer) => answers.push(answer));
    await gate.finishReplay(idle, () => {
      take("a");
      take("b");
      return Promise.resolve();
    });
    take("c");
    await microtasks();
    // The SDK registers the new connection in these microtasks.
    expect(ran).toEqual([]);
    await pause(1);
    take("d");
    await microtasks();
    expect(ran).toEqual(["a", "b", "c", "d"]);
    expect(answers).toEqual(["a", "b", "c", "d"]);
    expect(gate.isBusy).toBe(false);
  });

  test("waits for what is under way, and a macrotask for the SDK to write it", async () => {
    const gate = new StreamGate(10, 1_000);
    let hasBeenWritten = false;
    const underWay = async (): Promise<void> => {
      await pause(5);
      setTimeout(() => {
        hasBeenWritten = true;
      }, 0);
    };
    expect(await gate.finishReplay(underWay, () => Promise.resolve(hasBeenWritten))).toBe(true);
  });

  test("finishes replays one after the other, and lets through in between what was held", async () => {
    const gate = new StreamGate(10, 1_000);
    const { ran, append } = recorder(gate);
    const first = gate.finishReplay(idle, async () => {
      void append("a");
      await pause(5);
      ran.push("first");
    });
    const second = gate.finishReplay(idle, async () => {
      ran.push("second");
      await pause(5);
      void append("b");
    });
    await Promise.all([first, second]);
    await pause(1);
    expect(ran).toEqual(["first", "a", "second", "b"]);
  });

  test("opens again when a replay fails", async () => {
    const gate = new StreamGate(10, 1_000);
    const { ran, append } = recorder(gate);
    const failing = gate.finishReplay(idle, () => {
      void append("a");
      return Promise.reject(new Error("no"));
    });
    await expect(failing).rejects.toThrow("no");
    expect(ran).toEqual(["a"]);
    await expect(gate.finishReplay(idle, () => Promise.resolve("yes"))).resolves.toBe("yes");
  });

  test("gives a replay up that holds up too many appends, and stops it", async () => {
    const gate = new StreamGate(3, 1_000);
    const { ran, append } = recorder(gate);
    let stopped: AbortSignal | undefined;
    const replay = gate.finishReplay(idle, (signal) => {
      stopped = signal;
      return new Promise(() => undefined);
    });
    await vi.waitUntil(() => stopped !== undefined);
    const answers = Promise.all(["a", "b", "c", "d"].map(append));
    await expect(replay).rejects.toMatchObject({ code: "overloaded" });
    expect(stopped?.aborted).toBe(true);
    expect(await answers).toEqual(["a", "b", "c", "d"]);
    expect(ran).toEqual(["a", "b", "c", "d"]);
  });

  test("does not begin to finish a replay that was given up while it waited", async () => {
    const gate = new StreamGate(1, 1_000);
    const { append } = recorder(gate);
    let hasBegun = false;
    const replay = gate.finishReplay(
      () => pause(10),
      () => {
        hasBegun = true;
        return Promise.resolve();
      },
    );
    await microtasks();
    void append("a");
    void append("b");
    await expect(replay).rejects.toMatchObject({ code: "overloaded" });
    await pause(20);
    expect(hasBegun).toBe(false);
  });

  test("does not let a replay wait for ever for the one before it", async () => {
    const gate = new StreamGate(10, 20);
    let end = (): void => undefined;
    const first = gate.finishReplay(
      idle,
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    await expect(gate.finishReplay(idle, idle)).rejects.toMatchObject({ code: "timeout" });
    end();
    await first;
    await gate.finishReplay(idle, idle);
    await pause(1);
    expect(gate.isBusy).toBe(false);
  });
});
