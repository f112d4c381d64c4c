// A process that appends to a SQLite log: node sqlite-process.mjs <library> <file> <options> <streams> <in flight> <appends>.
import { sqliteLog } from "@resumable-mcp/server/sqlite";

import { appendUntilKilled } from "./append-until-killed.mjs";

const [library, file, options, streams, inFlight, appends] = process.argv.slice(2);
const { default: Libsql, DatabaseSync: Database = Libsql } = await import(library);
const database = new Database(file);
await appendUntilKilled(sqliteLog(database, JSON.parse(options)), { streams, inFlight, appends });
database.close();
