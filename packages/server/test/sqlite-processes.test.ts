import { expect, it } from "vitest";
import { sqliteFixture } from "./support/sqlite-fixtures.js";
import { sqliteLibraries } from "./support/sqlite-libraries.js";
import { AppendingProcess } from "./support/appending-process.js";

const APPENDS_EACH = 2000;
const STREAMS = 2;

for (const [name, library] of Object.entries(sqliteLibraries())) {
  it(`gives the appends of two processes on one file positions of their own, without holes, on ${name}`, async () => {
    const fixture = await sqliteFixture(library);
    const work = {
      streams: STREAMS,
      inFlight: 16,
      appends: APPENDS_EACH,
    };
    const args = [name, fixture.path, JSON.stringify({ durability: "off" })];
    const children: AppendingProcess[] = [];
    try {
      children.push(
        await AppendingProcess.start("./sqlite-process.mjs", args, work),
        await AppendingProcess.start("./sqlite-process.mjs", args, work),
      );
      for (const child of children) child.go();
      await Promise.all(children.map((child) => child.ended()));
      const told = children.flatMap((child) => child.acknowledged);
      expect(told.length).toBe(2 * APPENDS_EACH);
      for (let stream = 0; stream < STREAMS; stream += 1) {
        const page = await fixture.log.read(`stream ${stream}`, 0, 1_000_000);
        const entries = page?.entries ?? [];
        const ofStream = told.filter((event) => event.stream === `stream ${stream}`);
        expect(entries).toEqual(
          ofStream.sort((a, b) => a.seq - b.seq).map(({ seq, payload }) => ({ seq, payload })),
        );
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
        expect([...new Set(ofStream.map(({ epoch }) => epoch))]).toEqual([page?.head.epoch]);
      }
    } finally {
      await Promise.all(children.map((child) => child.kill()));
      await fixture.dispose();
    }
  });
}
