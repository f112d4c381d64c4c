/** What follows each signal, which has one listener for all of it: Node warns of a leak at the eleventh. */
const followers = new WeakMap<AbortSignal, Set<AbortController>>();

function followersOf(signal: AbortSignal): Set<AbortController> {
  const known = followers.get(signal);
  if (known !== undefined) return known;
  const all = new Set<AbortController>();
  followers.set(signal, all);
  signal.addEventListener(
    "abort",
    () => {
      for (const controller of all) controller.abort(signal.reason);
    },
    { once: true },
  );
  return all;
}

/** A controller that is aborted when the signal is, with its reason. Whoever is done with it aborts it. */
export function follow(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  if (signal.aborted) {
    controller.abort(signal.reason);
    return controller;
  }
  const all = followersOf(signal);
  all.add(controller);
  controller.signal.addEventListener("abort", () => all.delete(controller), { once: true });
  return controller;
}
