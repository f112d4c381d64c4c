import { unref } from "../../log/unref.js";

/** A wait that ends by its time, by being rung, or with the signal, whichever is first. */
export interface Alarm {
  readonly rung: Promise<void>;
  ring(): void;
  /** The timer does not keep the process alive. */
  ringAfter(ms: number): void;
}

export function alarm(signal: AbortSignal): Alarm {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let resolveRung: () => void = () => undefined;
  const rung = new Promise<void>((resolve) => {
    resolveRung = resolve;
  });
  const ring = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", ring);
    resolveRung();
  };
  signal.addEventListener("abort", ring);
  if (signal.aborted) ring();
  return {
    rung,
    ring,
    ringAfter: (ms) => {
      if (signal.aborted) return;
      timer = setTimeout(ring, ms);
      unref(timer);
    },
  };
}
