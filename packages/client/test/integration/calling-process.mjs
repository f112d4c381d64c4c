// The client process of process-death.test.ts: makes one keyed call, and writes each message down before it returns
// from the handler. The code is the same in each life.
import { writeSync } from "node:fs";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { NO_TIMEOUT, ResumableTransport } from "@resumable-mcp/client";
import { fileStore } from "@resumable-mcp/client/stores/file";

const [url, directory, key, messages, intervalMs] = process.argv.slice(2);
/** Not `process.stdout`: what is written must be out before the process can die. */
const tell = (what) => writeSync(1, `${JSON.stringify(what)}\n`);

const transport = new ResumableTransport(url, { store: fileStore(directory) });
const client = new Client({ name: "calling-process", version: "1.0.0" });
await client.connect(transport);
try {
  const result = await client.callTool(
    {
      name: "count",
      arguments: { key, messages: Number(messages), intervalMs: Number(intervalMs) },
      _meta: { "resumable-mcp/key": key },
    },
    undefined,
    { onprogress: ({ progress }) => tell({ progress }), timeout: NO_TIMEOUT },
  );
  tell({ text: result.content[0].text });
} catch (error) {
  tell({ code: error.code, maybeExecuted: error.maybeExecuted, message: error.message });
}
await client.close();
