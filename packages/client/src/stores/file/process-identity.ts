// Tells whether the process that holds a slot still lives, and whether it is the same one.
/// <reference types="node" />
import { execFile } from "node:child_process";
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { errorCode } from "./files.js";

/** Tells one process from every other, also from a later one that got the same pid. */
export interface ProcessIdentity {
  /** Where the pid means something: the boot and the pid namespace (a container has its own), or the host. */
  readonly machine: string;
  readonly pid: number;
  /** When the process started, in the operating system's own notation; `null` where it does not tell. */
  readonly started: string | null;
}

type ProcessState = { readonly kind: "running"; readonly started: string | null } | { readonly kind: "gone" };

/** Whether a signal could be sent: the least that every system tells. */
function signalState(pid: number): ProcessState {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return { kind: "gone" };
  }
  return { kind: "running", started: null };
}

/**
 * Reads `/proc/<pid>/stat` (proc(5)): the state is the third field of `stat`, the start time, in ticks since boot, the twenty-second.
 * The second is the command in parentheses, which may itself contain spaces and parentheses.
 * A killed process that its parent has not collected yet stays on as a zombie: it holds nothing any more.
 */
export function parseLinuxStat(stat: string): ProcessState {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  if (state === "Z" || state === "X") return { kind: "gone" };
  return { kind: "running", started: fields[19] ?? null };
}

/** One line of `ps -o stat=,lstart=`: the state's first letter is `Z` for a zombie, the rest is the start time. */
export function parsePs(line: string): ProcessState {
  const [, state = "", started = ""] = /^\s*(\S+)\s+(.*?)\s*$/.exec(line) ?? [];
  if (state.startsWith("Z")) return { kind: "gone" };
  return { kind: "running", started: started === "" ? null : started };
}

export async function psState(pid: number): Promise<ProcessState> {
  try {
    const { stdout } = await promisify(execFile)("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      // The same process must read the same whoever asks.
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
      timeout: 2000,
    });
    return parsePs(stdout);
  } catch {
    // No ps, or no such process: the signal tells which.
    return signalState(pid);
  }
}

async function linuxState(pid: number): Promise<ProcessState> {
  try {
    return parseLinuxStat(await readFile(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // /proc may hide other users' processes (hidepid), so a missing entry is no proof.
    return signalState(pid);
  }
}

function stateOf(pid: number): Promise<ProcessState> {
  if (process.platform === "linux") return linuxState(pid);
  // Windows has no cheap way to ask; the claim's heartbeat decides there when the pid is in use again.
  return process.platform === "win32" ? Promise.resolve(signalState(pid)) : psState(pid);
}

async function currentMachine(): Promise<string> {
  if (process.platform !== "linux") return hostname();
  try {
    const [boot, namespace] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readlink("/proc/self/ns/pid"),
    ]);
    return `${boot.trim()} ${namespace}`;
  } catch {
    return hostname();
  }
}

let current: Promise<ProcessIdentity> | undefined;

/** This process. */
export function currentProcess(): Promise<ProcessIdentity> {
  current ??= Promise.all([currentMachine(), stateOf(process.pid)]).then(([machine, state]) => ({
    machine,
    pid: process.pid,
    started: state.kind === "running" ? state.started : null,
  }));
  return current;
}

/** @returns whether the process lives; `undefined` when that cannot be told from here */
export async function isAlive(identity: ProcessIdentity): Promise<boolean | undefined> {
  if (identity.machine !== (await currentProcess()).machine) return undefined;
  const state = await stateOf(identity.pid);
  if (state.kind === "gone") return false;
  return state.started === null || identity.started === null ? undefined : state.started === identity.started;
}
