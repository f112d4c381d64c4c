// Finds the elements of the page that the demo works with.

/** The element of the page with this id, which must be of this kind. */
function element<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} with the id "${id}".`);
  return found;
}

/** The elements that change while a call runs. */
export function pageElements() {
  return {
    start: element("start", HTMLButtonElement),
    stop: element("stop", HTMLButtonElement),
    drop: element("drop", HTMLButtonElement),
    offline: element("offline", HTMLButtonElement),
    reload: element("reload", HTMLButtonElement),
    status: element("status", HTMLElement),
    statusText: element("status-text", HTMLElement),
    progress: element("progress", HTMLProgressElement),
    progressText: element("progress-text", HTMLOutputElement),
    callText: element("call-text", HTMLElement),
    outcome: element("outcome", HTMLElement),
    outcomeText: element("outcome-text", HTMLElement),
    received: element("received", HTMLElement),
    missing: element("missing", HTMLElement),
    outOfOrder: element("out-of-order", HTMLElement),
    repeated: element("repeated", HTMLElement),
    messages: element("messages", HTMLOListElement),
    session: element("session", HTMLElement),
    reconnects: element("reconnects", HTMLElement),
    gaps: element("gaps", HTMLElement),
    reloads: element("reloads", HTMLElement),
    cursorReceived: element("cursor-received", HTMLElement),
    cursorSaved: element("cursor-saved", HTMLElement),
    moments: element("moments", HTMLOListElement),
    announcement: element("announcement", HTMLElement),
  };
}

export type PageElements = ReturnType<typeof pageElements>;
