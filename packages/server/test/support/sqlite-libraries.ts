import type { SqliteDatabase } from "@resumable-mcp/server/sqlite";
import Libsql from "libsql";

/** A database that tests may close. */
export interface TestDatabase extends SqliteDatabase {
  close(): unknown;
}

interface NodeSqlite {
  readonly DatabaseSync: new (path: string) => TestDatabase;
}

/** `node:sqlite`, which only newer versions of Node have. */
function nodeSqlite(): NodeSqlite | undefined {
  // Typed by what the tests use of it: the types of Node 20 do not know it.
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => unknown };
  return getBuiltinModule?.("node:sqlite") as NodeSqlite | undefined;
}

/** What opens a file, by the name of the library. */
export function sqliteLibraries(): Record<string, (path: string) => TestDatabase> {
  const builtIn = nodeSqlite();
  return {
    libsql: (path) => new Libsql(path),
    ...(builtIn === undefined ? {} : { "node:sqlite": (path: string) => new builtIn.DatabaseSync(path) }),
  };
}
