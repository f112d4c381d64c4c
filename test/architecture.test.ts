import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

import { withRooms } from "../scripts/list-rooms.mjs";

test("ARCHITECTURE.md has a line for each source file; `node scripts/list-rooms.mjs --write` brings it up to date", async () => {
  const document = await readFile(new URL("../ARCHITECTURE.md", import.meta.url), "utf8");
  expect(withRooms(document)).toBe(document);
});
