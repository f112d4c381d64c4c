// Gives each test the demo on one origin, or with its MCP server on another.
import { fileURLToPath } from "node:url";

import { test as base } from "@playwright/test";

import { startDemo, type Demo } from "../../demo/server/start.js";
import { DemoPage } from "./demo-page.js";

interface WorkerFixtures {
  /** The page and the MCP server on one origin. */
  readonly demo: Demo;
  /** The MCP server on another origin than the page. */
  readonly crossOriginDemo: Demo;
}

interface TestFixtures {
  readonly demoPage: DemoPage;
  readonly crossOriginDemoPage: DemoPage;
}

function cacheFolder(name: string): string {
  return fileURLToPath(new URL(`../../.cache/vite-e2e-${name}`, import.meta.url));
}

/** Each worker has servers of its own on free ports, so that one test's dropped sockets are not another's. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  demo: [
    // Playwright reads the fixtures that are needed out of this pattern; none are.
    // eslint-disable-next-line no-empty-pattern
    async ({}, use, { parallelIndex }) => {
      const demo = await startDemo({
        port: 0,
        cacheFolder: cacheFolder(String(parallelIndex)),
        watch: false,
      });
      await use(demo);
      await demo.close();
    },
    { scope: "worker" },
  ],
  crossOriginDemo: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use, { parallelIndex }) => {
      const folder = cacheFolder(`cross-origin-${parallelIndex}`);
      const demo = await startDemo({ port: 0, mcpPort: 0, cacheFolder: folder, watch: false });
      await use(demo);
      await demo.close();
    },
    { scope: "worker" },
  ],
  demoPage: async ({ page, demo }, use) => {
    await use(new DemoPage(page, demo));
  },
  crossOriginDemoPage: async ({ page, crossOriginDemo }, use) => {
    await use(new DemoPage(page, crossOriginDemo));
  },
});

export { expect } from "@playwright/test";
