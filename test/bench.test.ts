import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);

it("the benchmark runner refuses a name that it does not know, and says which there are", async () => {
  const running = run(process.execPath, ["packages/server/bench/run.mjs", "memory", "nonsense"]);
  await expect(running).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/nonsense.*key-value.*memory.*redis.*sqlite/) as string,
  });
});
