import { createRequire } from "node:module";
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

type BetterSqlite = new (path: string) => TestDatabase;

/** `better-sqlite3`, where somebody has installed it beside the project (CONTRIBUTING): it takes a compiler. */
function betterSqlite(): BetterSqlite | undefined {
  const require = createRequire(import.meta.url);
  try {
    return require("better-sqlite3") as BetterSqlite;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** What opens a file, by the name of the library. */
export function sqliteLibraries(): Record<string, (path: string) => TestDatabase> {
  const builtIn = nodeSqlite();
  const Better = betterSqlite();
  return {
    libsql: (path) => new Libsql(path),
    ...(Better === undefined ? {} : { "better-sqlite3": (path: string) => new Better(path) }),
    ...(builtIn === undefined ? {} : { "node:sqlite": (path: string) => new builtIn.DatabaseSync(path) }),
  };
}
