// A process that appends to a Postgres log: node postgres-process.mjs <url> <schema> <streams> <in flight> <appends>.
import { postgresLog } from "@resumable-mcp/server/postgres";
import { Pool } from "pg";

import { appendUntilKilled } from "./append-until-killed.mjs";

const [url, schema, streams, inFlight, appends] = process.argv.slice(2);
const pool = new Pool({ connectionString: url, application_name: "child" });
pool.on("error", () => undefined);
// Long enough for a server on a busy machine to start again.
const log = postgresLog(pool, { schema, timeoutMs: 30_000 });
await pool.query("SELECT 1");
await appendUntilKilled(log, { streams, inFlight, appends });
await pool.end();
