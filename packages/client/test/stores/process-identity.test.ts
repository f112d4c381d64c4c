import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import {
  currentProcess,
  isAlive,
  parseLinuxStat,
  parsePs,
  psState,
} from "../../src/stores/file/process-identity.js";
import { itUnless } from "../../../../test-support/skip.js";

const whyNoPs = (() => {
  try {
    execFileSync("ps", ["-p", String(process.pid)]);
    return undefined;
  } catch {
    return "there is no ps (to run them: apt-get install procps)";
  }
})();

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid!;
}

describe("the identity of a process", () => {
  it("says that this process lives", async () => {
    expect(await isAlive(await currentProcess())).toBe(true);
  });

  it("says that a process that ended is dead", async () => {
    expect(await isAlive({ ...(await currentProcess()), pid: await deadPid() })).toBe(false);
  });

  it("does not take a later process with the same pid for the earlier one", async () => {
    expect(await isAlive({ ...(await currentProcess()), started: "1" })).toBe(false);
  });

  it("does not judge when the start time is not known, for the pid may be another process's by now", async () => {
    expect(await isAlive({ ...(await currentProcess()), started: null })).toBeUndefined();
  });

  it("does not judge processes of another machine, container or boot", async () => {
    expect(await isAlive({ ...(await currentProcess()), machine: "elsewhere" })).toBeUndefined();
  });

  it("reads state and start time from Linux's stat, whatever the command is called", () => {
    const stat = (state: string) =>
      `4242 (node (a) b) S ) ${state} 1 4242 4242 0 -1 4194304 1 0 0 0 1 2 3 4 20 0 11 0 987654 1 2 3\n`;
    expect(parseLinuxStat(stat("S"))).toEqual({ kind: "running", started: "987654" });
    expect(parseLinuxStat(stat("Z"))).toEqual({ kind: "gone" });
    expect(parseLinuxStat(stat("X"))).toEqual({ kind: "gone" });
  });

  it("reads state and start time from ps", () => {
    expect(parsePs("Ss   Sun Nov 23 18:36:01 2025    \n")).toEqual({
      kind: "running",
      started: "Sun Nov 23 18:36:01 2025",
    });
    expect(parsePs("Z+   Sun Nov 23 18:36:01 2025\n")).toEqual({ kind: "gone" });
    expect(parsePs("")).toEqual({ kind: "running", started: null });
  });

  itUnless(whyNoPs, "asks ps where there is no /proc", async () => {
    const first = await psState(process.pid);
    expect(first).toEqual({
      kind: "running",
      started: expect.stringMatching(/\d{2}:\d{2}:\d{2} \d{4}$/) as string,
    });
    expect(await psState(process.pid)).toEqual(first);
    expect(await psState(await deadPid())).toEqual({ kind: "gone" });
  });
});
