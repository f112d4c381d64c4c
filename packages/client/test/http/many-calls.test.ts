import { afterEach, describe, expect, it } from "vitest";
import { event, note, type Received, resultOf, scriptedServer, sse } from "../support/msw-server.js";
import { openTransport } from "../support/open-transport.js";

const server = scriptedServer();
const COUNT = 50;

const warnings: Error[] = [];
const warn = (warning: Error): void => void warnings.push(warning);
afterEach(() => void process.off("warning", warn));

describe("many calls at once", () => {
  it("go on and finish side by side, and the runtime warns of no leak", async () => {
    process.on("warning", warn);
    const requests = new Map<string, Received>();
    server.play({
      onCall(request) {
        const { message } = request;
        const id = String(message && "id" in message ? message.id : undefined);
        requests.set(id, request);
        return sse([event({ id, data: note(requests.size) })], "cut");
      },
      onResume({ lastEventId }) {
        const request = requests.get(lastEventId ?? "");
        return sse([
          event({ id: `${lastEventId ?? ""}-end`, data: resultOf(request ?? { message: undefined }) }),
        ]);
      },
    });
    const { call, messages, notes } = await openTransport();
    await Promise.all(Array.from({ length: COUNT }, () => call("tools/call", { name: "count" })));
    // Node emits a warning in a tick of its own.
    await new Promise((resolve) => setImmediate(resolve));
    expect(notes()).toHaveLength(COUNT);
    expect(messages).toHaveLength(2 * COUNT);
    expect(warnings).toEqual([]);
  });
});
